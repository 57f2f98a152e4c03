//! Boots the image of `recipes/debian-12.yaml` with each kind of metadata, and asks cloud-init what it made of it.
//!
//! The image is the file that `GOLDSMITH_TEST_IMAGE` names; it is not changed.

#![expect(clippy::print_stderr, reason = "the test runner shows it where a test fails")]

mod support {
    #[expect(dead_code, reason = "what is asked of cloud-init needs no more of the machine")]
    pub(crate) mod machine;
    pub(crate) mod seed;
}

use std::path::PathBuf;
use std::process::Command;
use std::time::Duration;

use goldsmith::metadata::{self, Instance, MetadataError, Part};
use goldsmith::process::capture;
use goldsmith::recipe::Firmware;
use support::machine::{Machine, MachineConfig};
use support::seed::Seed;

/// How long the guest may take to a login by ssh.
const DEADLINE: Duration = Duration::from_secs(300);

/// Run before the script below, which has its result.
const CONFIG: &str = "#cloud-config\nruncmd:\n  - [sh, -c, 'printf configured > /var/tmp/config']\n";

/// What the machine of the tests reads as `user-data`.
const SCRIPT: &str = "#!/bin/sh\n\
    echo \"$(cat /var/tmp/config), $(cloud-init query platform), $(cloud-init query subplatform)\" > /var/tmp/user-data\n";

#[test]
#[ignore = "boots a virtual machine"]
fn a_config_drive_is_read() {
    assert_eq!(booted_with(metadata::config_drive), "configured, configdrive, config-disk (/dev/vdb)");
}

#[test]
#[ignore = "boots a virtual machine"]
fn a_no_cloud_seed_is_read() {
    assert_eq!(booted_with(metadata::no_cloud), "configured, nocloud, config-disk (/dev/vdb)");
}

/// Boots with a disk of metadata; what the script of the user data saw.
fn booted_with(disk: fn(&Instance) -> Result<Vec<u8>, MetadataError>) -> String {
    let image = std::env::var_os("GOLDSMITH_TEST_IMAGE").map(PathBuf::from).expect("GOLDSMITH_TEST_IMAGE is set");
    let work = tempfile::tempdir().expect("a temporary directory");
    let mut seed = Seed::make(work.path(), "not-this-one");
    let key = std::fs::read_to_string(seed.key.with_extension("pub")).expect("the public key");
    let user_data = metadata::user_data(&[Part::CloudConfig(CONFIG), Part::Script(SCRIPT)]);
    let instance = Instance::new("gold-test", &key, user_data);
    seed.disk = work.path().join("metadata.iso");
    std::fs::write(&seed.disk, disk(&instance).expect("a disk")).expect("it is written");
    let overlay = work.path().join("disk.qcow2");
    let mut create = Command::new("qemu-img");
    create.args(["create", "-q", "-f", "qcow2", "-F", "qcow2", "-b"]).arg(&image).arg(&overlay);
    capture(&mut create).expect("qemu-img makes an overlay");

    let config =
        MachineConfig { disk: &overlay, seed: &seed, firmware: Firmware::Bios, mac: &instance.mac, work: work.path() };
    let mut machine = Machine::start(&config);
    let facts = machine.facts(DEADLINE);
    assert_eq!(facts.get("hostname"), "gold-test");
    assert_eq!(facts.get("mac"), instance.mac);
    assert_eq!(facts.get("cloud-init"), "status: done", "{}", facts.get("errors"));
    facts.get("user-data").to_owned()
}
