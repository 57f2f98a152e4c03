//! Debian images beside that of `recipes/debian-12.yaml`: built from packages, and verified as a build verifies them.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

use crate::record::record;
use crate::reports::Verified;
use crate::verified::Made;

/// An image in which elements do the work of cloud-init.
const WITHOUT_CLOUD_INIT: &str = "name: without-cloud-init
base: { bootstrap: { distro: debian, release: bookworm } }
disk: { size: 3GiB, layout: bios+uefi }
elements:
  - base-system
  - kernel
  - dhcp-network
  - sshd
  - metadata-ssh-key: { user: ops }
  - metadata-user-data
  - growroot
  - container-runtime
  - net-rules
  - no-firewall
  - bootloader
  - uefi
  - serial-console
  - sysprep
steps:
  install:
    - packages: { install: [sudo] }
  configure:
    - user: { name: ops, shell: /bin/bash, sudo: true }
outputs: [{ format: qcow2 }]
verify: {}
";

#[test]
#[ignore = "needs packages of Debian, boots virtual machines, and takes long"]
fn takes_long_debian_13_passes_every_check() {
    let recipe = Path::new(env!("CARGO_MANIFEST_DIR")).join("recipes/debian-13.yaml");
    let (verified, manifest) = build_and_verify("debian-13", &fs::read_to_string(recipe).expect("a recipe"), &[]);
    verified.assert_passed();
    let boots = verified.report["boots"].as_array().expect("boots");
    assert_eq!(boots.len(), 2, "BIOS and Secure Boot");
    record("debian-13", "Debian 13", Made::Packages, &manifest, &verified);
}

#[test]
#[ignore = "needs packages of Debian, boots virtual machines, and takes long"]
fn takes_long_debian_11_without_cloud_init_passes_every_check() {
    // Some mirrors no longer have `linux-image-cloud-amd64` of bullseye, and are no longer renewed.
    let mut recipe = WITHOUT_CLOUD_INIT.to_owned();
    for (old, new) in [
        ("name: without-cloud-init", "name: debian-11"),
        ("release: bookworm", "release: bullseye, allow-expired: true"),
        ("- kernel\n", "- kernel: { flavour: generic }\n"),
        ("  - container-runtime\n", ""),
    ] {
        assert!(recipe.contains(old), "{old}");
        recipe = recipe.replace(old, new);
    }
    let (verified, manifest) = build_and_verify("debian-11", &recipe, &["--user", "ops"]);
    verified.assert_passed();
    record("debian-11", "Debian 11 without cloud-init", Made::Packages, &manifest, &verified);
}

#[test]
#[ignore = "needs packages of Debian, boots virtual machines, and takes long"]
fn takes_long_debian_14_passes_every_check() {
    another_release_passes("debian-14", "forky", "Debian 14");
}

#[test]
#[ignore = "needs packages of Debian, boots virtual machines, and takes long"]
fn takes_long_debian_sid_passes_every_check() {
    another_release_passes("debian-sid", "sid", "Debian sid");
}

/// Builds the recipe of Debian 13 for another release, and verifies the image. Mirrors for tests are often snapshots.
fn another_release_passes(name: &str, release: &str, title: &str) {
    let recipe = Path::new(env!("CARGO_MANIFEST_DIR")).join("recipes/debian-13.yaml");
    let recipe = fs::read_to_string(recipe).expect("a recipe").replace("name: debian-13", &format!("name: {name}"));
    let changed = recipe.replace("release: trixie }", &format!("release: {release}, allow-expired: true }}"));
    assert_ne!(changed, recipe);
    let (verified, manifest) = build_and_verify(name, &changed, &[]);
    verified.assert_passed();
    record(name, title, Made::Packages, &manifest, &verified);
}

#[test]
#[ignore = "needs packages of Debian, boots virtual machines, and takes long"]
fn takes_long_an_image_without_cloud_init_passes_every_check() {
    let options = ["--user", "ops", "--metadata", "config-drive,openstack", "--boot", "bios"];
    let (verified, manifest) = build_and_verify("without-cloud-init", WITHOUT_CLOUD_INIT, &options);
    verified.assert_passed();
    let passed: Vec<_> = verified.with("passed").iter().map(|it| it["id"].as_str().expect("an id")).collect();
    for id in ["key-injection", "root-grows", "key-logs-in", "hostname-from-metadata", "root-fills-disk", "reboots"] {
        assert!(passed.contains(&id), "{id}: {passed:?}");
    }
    let title = "Debian 12 without cloud-init";
    record("without-cloud-init", title, Made::Packages, &manifest, &verified);
}

/// The partition grows in the initramfs, and systemd grows the file system.
#[test]
#[ignore = "needs packages of Debian, boots virtual machines, and takes long"]
fn takes_long_the_initramfs_grows_the_root() {
    let recipe = WITHOUT_CLOUD_INIT.replace("name: without-cloud-init", "name: grown-early");
    let recipe = recipe.replace("  - growroot\n  - container-runtime\n", "  - growroot-initramfs\n");
    assert!(recipe.contains("growroot-initramfs\n  - net-rules"), "{recipe}");
    let (verified, _) = build_and_verify("grown-early", &recipe, &["--user", "ops", "--boot", "bios"]);
    verified.assert_passed();
    let passed: Vec<_> = verified.with("passed").iter().map(|it| it["id"].as_str().expect("an id")).collect();
    for id in ["root-grows", "root-fills-disk", "growroot-initramfs/4"] {
        assert!(passed.contains(&id), "{id}: {passed:?}");
    }
}

/// The second is the image's manifest.
pub(crate) fn build_and_verify(name: &str, recipe: &str, options: &[&str]) -> (Verified, PathBuf) {
    let work = tempfile::tempdir().expect("a temporary directory");
    let image = crate::shared::image(name, recipe);
    let report = work.path().join("report");
    let mut goldsmith = Command::new(env!("CARGO_BIN_EXE_goldsmith"));
    goldsmith
        .args(["verify", "--report"])
        .arg(&report)
        .args(options)
        .arg(&image)
        .arg("--cache")
        .arg(crate::shared::cache(&image));
    let verified = Verified::new(goldsmith.output().expect("goldsmith runs"), &report);
    (verified, image.with_file_name("manifest.json"))
}
