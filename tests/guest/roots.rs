//! The .deb in fresh roots of Debian: it is installed there with what it depends on and recommends, and does the main job.

use std::path::Path;
use std::process::Command;

use goldsmith::process::capture;

/// The package of the program that is tested, and the job in a root of a release.
fn works_in(release: &str) {
    let packaging = Path::new(env!("CARGO_MANIFEST_DIR")).join("packaging");
    let work = tempfile::tempdir().expect("a directory");
    let mut make = Command::new(packaging.join("deb.sh"));
    let deb = capture(make.arg(work.path()).env("PROGRAM", env!("CARGO_BIN_EXE_goldsmith"))).expect("a package");
    let mut job = Command::new(packaging.join("test_root.sh"));
    let ended = job.args([deb.trim(), release]).output().expect("the job starts");
    let said = format!("{}{}", String::from_utf8_lossy(&ended.stdout), String::from_utf8_lossy(&ended.stderr));
    assert!(ended.status.success(), "{said}");
    assert!(said.contains("out/small/small.qcow2") && said.contains("configure small: done in"), "{said}");
    assert!(said.contains(&format!("goldsmith works in a fresh root of {release}")), "{said}");
}

#[test]
#[ignore = "makes a root of Debian 12 from a package mirror, and starts a guest in it"]
fn takes_long_the_package_works_in_a_fresh_debian_12() {
    works_in("bookworm");
}

#[test]
#[ignore = "makes a root of Debian 13 from a package mirror, and starts a guest in it"]
fn takes_long_the_package_works_in_a_fresh_debian_13() {
    works_in("trixie");
}
