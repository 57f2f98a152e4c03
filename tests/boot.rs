//! Boots the image of `recipes/debian-12.yaml` as a cloud would, under each firmware.
//!
//! The image is the file that `GOLDSMITH_TEST_IMAGE` names, or is built first. It is booted from a throw-away
//! overlay on a larger disk, with a NoCloud seed; the file itself must not change. The two firmwares are
//! booted one after the other: under TCG a guest with two processors keeps two host processors busy.

#![expect(clippy::print_stderr, reason = "the test runner shows it where a test fails")]

mod support {
    pub(crate) mod machine;
    pub(crate) mod seed;
}

use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::Duration;

use goldsmith::digest::Sha256;
use goldsmith::process::capture;
use goldsmith::recipe::Firmware;
use support::machine::{Machine, MachineConfig};
use support::seed::Seed;

/// How long the guest may take to a login prompt, and again to a login by ssh.
const DEADLINE: Duration = Duration::from_secs(300);

/// Size of the disk the image is booted on, in GiB; larger than the image's own.
const DISK_GIB: u64 = 5;

#[test]
#[ignore = "boots a virtual machine"]
fn boots_under_bios() {
    boots_under(Firmware::Bios);
}

#[test]
#[ignore = "boots a virtual machine"]
fn boots_under_uefi() {
    boots_under(Firmware::Uefi);
}

/// Every variant of the formats that hypervisors other than QEMU's own read, up to the login prompt.
#[test]
#[ignore = "boots a virtual machine"]
fn boots_under_other_formats() {
    let work = tempfile::tempdir().expect("a temporary directory");
    let image = std::env::var_os("GOLDSMITH_TEST_IMAGE").map_or_else(|| build(work.path()), PathBuf::from);
    let seed = Seed::make(work.path(), "gold-test");
    for (name, options, driver) in [
        ("stream.vmdk", &[][..], "vmdk"),
        ("sparse.vmdk", &["--subformat", "monolithicSparse"], "vmdk"),
        ("dynamic.vhd", &[], "vpc"),
        ("fixed.vhd", &["--subformat", "fixed"], "vpc"),
        ("old.qcow2", &["--compat", "0.10"], "qcow2"),
    ] {
        let converted = work.path().join(name);
        let mut goldsmith = Command::new(env!("CARGO_BIN_EXE_goldsmith"));
        capture(goldsmith.arg("convert").args(options).arg(&image).arg(&converted)).expect("it converts");
        let disk = work.path().join("disk.qcow2");
        overlay(&converted, driver, &disk);
        let config = MachineConfig {
            disk: &disk,
            seed: &seed,
            firmware: Firmware::Bios,
            mac: "52:54:00:67:6f:03",
            work: work.path(),
        };
        Machine::start(&config).wait_for_serial("login:", DEADLINE);
        // The next machine must not be taken for this one.
        for file in [converted, work.path().join("serial.log")] {
            std::fs::remove_file(file).expect("no longer needed");
        }
    }
}

fn boots_under(firmware: Firmware) {
    let work = tempfile::tempdir().expect("a temporary directory");
    let image = std::env::var_os("GOLDSMITH_TEST_IMAGE").map_or_else(|| build(work.path()), PathBuf::from);
    let before = Sha256::of_file(&image).expect("the image is readable");

    let disk = work.path().join("disk.qcow2");
    overlay(&image, "qcow2", &disk);
    let seed = Seed::make(work.path(), "gold-test");
    let config = |mac: &'static str| MachineConfig { disk: &disk, seed: &seed, firmware, mac, work: work.path() };

    let mut first = Machine::start(&config("52:54:00:67:6f:01"));
    first.wait_for_serial("login:", DEADLINE);
    let facts = first.facts(DEADLINE);
    assert_eq!(facts.get("hostname"), "gold-test", "the host name of the seed");
    assert_eq!(facts.get("firmware"), if firmware == Firmware::Uefi { "uefi" } else { "bios" });
    assert_eq!(facts.get("user-data"), "ran", "the user data's command");
    assert_eq!(facts.get("failed-units"), "", "units that failed: {}", facts.get("errors"));
    assert_eq!(facts.get("cloud-init"), "status: done", "cloud-init's own verdict: {}", facts.get("errors"));
    let root: u64 = facts.get("root-bytes").parse().expect("df prints a number");
    assert!(root > (DISK_GIB - 1) << 30, "the root file system has {root} bytes on a disk of {DISK_GIB} GiB");
    first.power_off(DEADLINE);

    // The same disk on other hardware, as after a rebuild or a restored snapshot.
    let mut second = Machine::start(&config("52:54:00:67:6f:02"));
    let again = second.facts(DEADLINE);
    assert_eq!(again.get("mac"), "52:54:00:67:6f:02", "the second boot's network card");
    assert_eq!(again.get("failed-units"), "", "units that failed at the second boot: {}", again.get("errors"));
    for stays in ["machine-id", "host-key", "hostname"] {
        assert_eq!(again.get(stays), facts.get(stays), "{stays} after the second boot");
    }
    second.power_off(DEADLINE);

    assert_eq!(Sha256::of_file(&image).expect("the image is readable"), before, "the image file was changed");
}

/// Builds the image with the cache of the machine and returns its qcow2 file.
fn build(work: &Path) -> PathBuf {
    let out = work.join("out");
    let mut goldsmith = Command::new(env!("CARGO_BIN_EXE_goldsmith"));
    goldsmith.current_dir(env!("CARGO_MANIFEST_DIR")).args(["build", "recipes/debian-12.yaml", "--out"]).arg(&out);
    let status = goldsmith.status().expect("goldsmith runs");
    assert!(status.success(), "goldsmith build: {status}");
    find_qcow2(&out).unwrap_or_else(|| panic!("no qcow2 file below {}", out.display()))
}

fn find_qcow2(directory: &Path) -> Option<PathBuf> {
    std::fs::read_dir(directory).ok()?.flatten().map(|entry| entry.path()).find_map(|path| {
        if path.is_dir() { find_qcow2(&path) } else { path.extension().is_some_and(|e| e == "qcow2").then_some(path) }
    })
}

fn overlay(image: &Path, driver: &str, disk: &Path) {
    let image = image.canonicalize().expect("the image exists");
    capture(
        Command::new("qemu-img")
            .args(["create", "-q", "-f", "qcow2", "-F", driver, "-b"])
            .arg(image)
            .arg(disk)
            .arg(format!("{DISK_GIB}G")),
    )
    .expect("qemu-img makes an overlay");
}
