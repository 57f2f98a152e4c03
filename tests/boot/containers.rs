//! An image made of a container image, with kernel and boot loader from the container's own repositories.

use std::process::Command;

use goldsmith::process::capture;

use crate::containers_support::served;
use crate::reports::Verified;

const RECIPE: &str = "disk: { size: 3GiB, layout: bios+uefi }
elements:
  - base-system
  - kernel
  - dhcp-network
  - sshd
  - cloud-init: { datasources: [ConfigDrive, OpenStack, NoCloud, None] }
  - growpart
  - net-rules
  - no-firewall
  - bootloader
  - uefi
  - serial-console
  - sysprep
checks:
  - booted: { command: \"grep -qx above /etc/made-above\" }
outputs: [{ format: qcow2 }]
verify: {}
";

#[test]
#[ignore = "needs docker-registry, skopeo, umoci and packages of Debian, boots virtual machines, and takes long"]
fn takes_long_an_image_of_a_container_passes_every_check() {
    let work = tempfile::tempdir().expect("a temporary directory");
    let work = work.path();
    let (_registry, name) = served(work, false);
    let recipe = format!("name: c\nbase: {{ container: {{ source: \"{name}\" }} }}\n{RECIPE}");
    std::fs::write(work.join("c.yaml"), recipe).expect("a recipe");
    let mut build = Command::new(env!("CARGO_BIN_EXE_goldsmith"));
    build.current_dir(work).args([
        "build",
        "c.yaml",
        "--no-verify",
        "--timeout",
        "2h",
        "--cache",
        "cache",
        "--out",
        "out",
    ]);
    capture(&mut build).unwrap_or_else(|error| panic!("{error}"));
    let mut verify = Command::new(env!("CARGO_BIN_EXE_goldsmith"));
    verify.current_dir(work).args(["verify", "out/c.qcow2", "--cache", "cache", "--report", "report"]);
    let verified = Verified::new(verify.output().expect("goldsmith runs"), &work.join("report"));
    verified.assert_passed();
    assert_eq!(verified.report["boots"].as_array().expect("boots").len(), 2, "BIOS and Secure Boot");
}
