//! A distribution of RPM packages: bootstrapped by dnf, booted and verified. It is synthetic: see `tests/support/rpm_distro.rs`.

use std::path::Path;
use std::process::{Command, Output};

use crate::record::record;
use crate::reports::Verified;
use crate::synthetic::Server;
use crate::upon::verified_upon;
use crate::verified::Made;

/// Fedora's data, of which the test changes four lines.
const DATA: &str = include_str!("../../distros/fedora/distro.yaml");

const RECIPE: &str = r#"name: rpmlike
base: { bootstrap: { distro: fedora, release: "42" } }
disk: { size: 3GiB }
elements:
  - base-system
  - dhcp-network
  - kernel
  - sshd
  - cloud-init
  - growpart
  - net-rules
  - no-firewall
  - qemu-guest-agent
  - bootloader
  - uefi
  - serial-console
  - sysprep
outputs: [{ format: qcow2 }]
"#;

/// Writes the recipe and the distribution whose packages this key signs, and builds it.
fn build(work: &Path, mirror: &str, key: &Path) -> Output {
    let distro = work.join("distros/fedora");
    std::fs::create_dir_all(&distro).expect("a directory");
    let key = key.display().to_string();
    let changes = [
        ("/usr/share/distribution-gpg-keys/fedora/RPM-GPG-KEY-fedora-RELEASE-primary", key.as_str()),
        ("[releases/RELEASE/Everything/ARCH/os, updates/RELEASE/Everything/ARCH]", "[RELEASE]"),
        ("https://dl.fedoraproject.org/pub/fedora/linux", mirror),
        (", glibc-minimal-langpack]", "]"),
    ];
    let data = changes.iter().fold(DATA.to_owned(), |data, (from, to)| {
        assert!(data.contains(from), "{from}");
        data.replace(from, to)
    });
    std::fs::write(distro.join("distro.yaml"), data).expect("a file");
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
    let manifest = work.join("out/rpmlike/manifest.json");
    record("fedora", "Fedora 42, synthetic", Made::SyntheticPackages, &manifest, &verified);
    let packages = verified.report["packages"].as_array().expect("packages");
    assert!(packages.len() > 200, "the packages are those of rpm's database");

    let (upon, manifest) = verified_upon(work, "rpmlike");
    upon.assert_passed();
    record("fedora-upon", "upon Fedora 42, synthetic", Made::SyntheticImage, &manifest, &upon);
}
