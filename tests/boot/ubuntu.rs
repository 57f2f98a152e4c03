//! Ubuntu's names, from packages to a machine that passes every check: the recipe for Ubuntu 24.04 with a synthetic distribution.
//! `tests/support/apt_distro.rs` says what is synthetic.

use std::fs;
use std::path::Path;
use std::process::{Command, Output};

use crate::apt_distro::AptDistro;
use crate::record::record;
use crate::reports::Verified;
use crate::upon::verified_upon;
use crate::verified::Made;

/// What the machine itself is asked: cloud-init wrote netplan's configuration, netplan made systemd-networkd's of it, and that is
/// what the card got. The user of cloud-init is Ubuntu's.
const CHECKS: &str = r#"checks:
  - booted: { command: "grep -q 'dhcp4: true' /etc/netplan/50-cloud-init.yaml" }
  - booted: { command: "test -z \"$(ls /etc/systemd/network/10-cloud-init* 2>/dev/null)\"" }
  - booted: { command: "networkctl --no-pager status $(ls /sys/class/net | grep -v lo | head -n 1) | grep -q 'Network File: /run/systemd/network/10-netplan-'" }
  - booted: { command: "id -u ubuntu" }
  - booted: { command: "! id -u debian" }
  - booted: { command: "uname -r | grep -qF \"$(dpkg-query -W -f '${Depends}' linux-image-virtual | sed 's/linux-image-//')\"" }
"#;

#[test]
#[ignore = "needs packages of Debian, boots virtual machines, and takes long"]
fn takes_long_ubuntus_names_make_an_image_that_passes_every_check() {
    let work = tempfile::tempdir().expect("a temporary directory");
    let work = work.path();
    let ubuntu = AptDistro::new(work);
    let recipe =
        fs::read_to_string(Path::new(env!("CARGO_MANIFEST_DIR")).join("recipes/ubuntu-24.04.yaml")).expect("a recipe");
    let (before, rest) = recipe.split_once("base:\n").expect("it has a base");
    let (_, after) = rest.split_once("\n\n").expect("other keys follow");
    fs::write(work.join("ubuntu.yaml"), format!("{before}{}{after}{CHECKS}", ubuntu.base())).expect("a recipe");

    let built = goldsmith(work, &["build", "ubuntu.yaml", "--cache", "cache", "--no-verify"]);
    assert!(built.status.success(), "{}", String::from_utf8_lossy(&built.stderr));
    let image = "out/ubuntu-24.04/ubuntu-24.04.qcow2";
    let verified = goldsmith(work, &["verify", image, "--cache", "cache", "--report", "report"]);
    let verified = Verified::new(verified, &work.join("report"));
    verified.assert_passed();
    let manifest = work.join(image).with_file_name("manifest.json");
    record("ubuntu-24.04", "Ubuntu 24.04, synthetic", Made::SyntheticPackages, &manifest, &verified);
    let boots = verified.report["boots"].as_array().expect("boots");
    let profiles: Vec<_> = boots.iter().map(|boot| boot["profile"].to_string()).collect();
    assert!(["bios", "secure-boot"].iter().all(|one| profiles.iter().any(|it| it.contains(one))), "{profiles:?}");

    let (upon, manifest) = verified_upon(work, "ubuntu-24.04");
    upon.assert_passed();
    record("ubuntu-24.04-upon", "upon Ubuntu 24.04, synthetic", Made::SyntheticImage, &manifest, &upon);
}

fn goldsmith(work: &Path, arguments: &[&str]) -> Output {
    let mut goldsmith = Command::new(env!("CARGO_BIN_EXE_goldsmith"));
    goldsmith.args(arguments).current_dir(work).output().expect("goldsmith runs")
}
