//! A distribution of RPM packages: bootstrapped by dnf, booted and verified. It is synthetic: see `tests/support/rpm_distro.rs`.

use std::path::Path;
use std::process::{Command, Output};

use crate::reports::Verified;
use crate::synthetic::Server;

/// Fedora's data, with the repository and the key of the test.
const DISTRO: &str = r#"name: rpmlike
title: Synthetic distribution with Fedora's names
extends: fedora
user: fedora
releases: [{ name: "42", version: "42", units: { cloud_init: cloud-init.service } }]
bootstrap:
  tool: dnf
  origin: Synthetic
  directories: []
  keyring: { file: KEY, package: of-the-test }
  suites: [RELEASE]
  database: /usr/lib/sysimage/rpm
  packages: [fedora-release, dnf]
  mirrors: { x86_64: { main: "MIRROR" } }
"#;

const RECIPE: &str = r#"name: rpmlike
base: { bootstrap: { distro: rpmlike, release: "42" } }
disk: { size: 3GiB }
elements: [base-system, dhcp-network, kernel, sshd, cloud-init, growpart, bootloader, uefi, serial-console, sysprep]
outputs: [{ format: qcow2 }]
"#;

/// Writes the recipe and the distribution whose packages this key signs, and builds it.
fn build(work: &Path, mirror: &str, key: &Path) -> Output {
    let distro = work.join("distros/rpmlike");
    std::fs::create_dir_all(&distro).expect("a directory");
    let text = DISTRO.replace("KEY", &key.display().to_string()).replace("MIRROR", mirror);
    std::fs::write(distro.join("distro.yaml"), text).expect("a file");
    std::fs::write(work.join("rpmlike.yaml"), RECIPE).expect("a file");
    goldsmith(work, &["build", "rpmlike.yaml", "--cache", "cache", "--no-verify"])
}

fn goldsmith(work: &Path, arguments: &[&str]) -> Output {
    let mut goldsmith = Command::new(env!("CARGO_BIN_EXE_goldsmith"));
    goldsmith.args(arguments).current_dir(work).output().expect("goldsmith runs")
}

#[test]
#[ignore = "needs packages of Debian, dnf and rpmbuild, boots virtual machines, and takes long"]
fn takes_long_a_distribution_of_rpm_packages_is_made_and_passes_every_check() {
    let repository = crate::rpm_distro::repository();
    let work = tempfile::tempdir().expect("a temporary directory");
    let work = work.path();
    let mirror = work.join("mirror");
    std::fs::create_dir(&mirror).expect("a directory");
    std::os::unix::fs::symlink(repository.join("repo"), mirror.join("42")).expect("a link");
    let server = Server::start(&mirror);

    // A key that signed nothing is trusted for nothing.
    let home = work.join("gpg");
    std::fs::create_dir(&home).expect("a directory");
    let gpg = |arguments: &[&str]| {
        let mut gpg = Command::new("gpg");
        gpg.args(["--batch", "--quiet", "--passphrase", ""]).args(arguments).env("GNUPGHOME", &home);
        gpg.output().expect("gpg").stdout
    };
    gpg(&["--quick-generate-key", "other <other@example.org>", "rsa2048", "sign", "never"]);
    std::fs::write(work.join("other.asc"), gpg(&["--armor", "--export"])).expect("a file");
    let refused = build(work, &server.url, &work.join("other.asc"));
    let said = String::from_utf8_lossy(&refused.stderr).into_owned();
    assert!(!refused.status.success() && said.contains("cannot trust the package repository"), "{said}");

    let built = build(work, &server.url, &repository.join("key.asc"));
    assert!(built.status.success(), "{}", String::from_utf8_lossy(&built.stderr));
    let verified = goldsmith(work, &["verify", "out/rpmlike/rpmlike.qcow2", "--cache", "cache", "--report", "report"]);
    let verified = Verified::new(verified, &work.join("report"));
    verified.assert_passed();
    let packages = verified.report["packages"].as_array().expect("packages");
    assert!(packages.len() > 200, "the packages are those of rpm's database");
}
