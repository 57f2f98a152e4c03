//! Disks that zypper makes of a tiny repository with openSUSE's names: what it installs and leaves, whom it trusts, and what fails.

use std::fs;
use std::path::PathBuf;
use std::process::Command;

use goldsmith::base::{BootstrapError, Bootstrapped};
use goldsmith::digest::Sha256;
use goldsmith::distro::{self, Distros, Keyring};
use goldsmith::process::capture;
use goldsmith::recipe::Arch;

use crate::synthetic::Server;
use crate::tiny::{Tiny, below, file_of_disk};

/// A server of the repository, with a directory for what is made of it.
struct Repository {
    work: tempfile::TempDir,
    server: Server,
    how: distro::Bootstrap,
}

impl Repository {
    fn new() -> Self {
        let work = tempfile::tempdir().expect("a directory");
        let script = concat!(env!("CARGO_MANIFEST_DIR"), "/tests/support/zypper/make.sh");
        capture(Command::new("sh").arg(script).arg(work.path())).expect("the repository");
        let server = Server::start(&work.path().join("out"));
        let distros = Distros::built_in();
        let opensuse = distros.get("opensuse").and_then(|it| it.file.bootstrap.as_ref()).expect("it is known");
        let how = opensuse.of("16.0", &["repo".to_owned()], Arch::X86_64);
        let key = work.path().join("out/key.asc").display().to_string();
        let how = distro::Bootstrap { keyring: Keyring { file: key, ..how.keyring.clone() }, ..how };
        Self { work, server, how }
    }

    fn index(&self) -> PathBuf {
        self.work.path().join("out/repo/repodata/repomd.xml")
    }

    fn disk(&self) -> PathBuf {
        self.work.path().join("disk.qcow2")
    }

    /// Makes a disk of the packages that openSUSE always has and these, with the index pinned by this digest.
    fn build(&self, packages: &[&str], sha256: Sha256) -> Result<Bootstrapped, BootstrapError> {
        let tiny = Tiny {
            distro: "opensuse",
            release: "16.0",
            suite: "repo",
            how: &self.how,
            work: self.work.path(),
            client: None,
        };
        tiny.build(&self.server.url, packages, sha256)
    }

    fn pinned(&self, packages: &[&str]) -> Result<Bootstrapped, BootstrapError> {
        self.build(packages, Sha256::of_file(&self.index()).expect("an index"))
    }

    fn file(&self, path: &str) -> String {
        file_of_disk(&self.disk(), path)
    }
}

#[test]
#[ignore = "needs zypper and rpmbuild"]
fn zypper_makes_a_disk_of_packages_with_the_names_of_opensuse() {
    let repository = Repository::new();
    let made = repository.pinned(&[]).expect("a disk");
    let told: Vec<_> = made.packages.iter().map(|it| format!("{} {} {}", it.name, it.version, it.arch)).collect();
    // Nothing that is only recommended, and no key.
    assert_eq!(told, ["Leap-release 16.0-1 x86_64", "filesystem 16.0-1 x86_64", "zypper 16.0-1 x86_64"]);
    // The script has run in the tree.
    assert!(repository.file("/etc/of-the-script").contains("ID=opensuse-leap"));
    let list = repository.file("/etc/zypp/repos.d/goldsmith.repo");
    assert!(list.contains(&format!("baseurl={}/repo", repository.server.url)) && list.contains("gpgcheck=1"), "{list}");
    let cache = repository.work.path().join("cache/packages");
    assert_eq!(below(&cache, ".rpm").len(), 3, "{:?}", below(&cache, ""));

    // Packages that are kept are not downloaded again, and must still be signed.
    let packages = repository.work.path().join("out/repo");
    for name in below(&packages, ".rpm") {
        fs::remove_file(packages.join(name)).expect("a package");
    }
    let again = repository.pinned(&[]).expect("a disk");
    assert_eq!(again, made);
}

#[test]
#[ignore = "needs zypper and rpmbuild"]
fn zypper_fails_where_it_cannot_do_all() {
    let mut repository = Repository::new();
    for (packages, told) in
        [(&["broken"][..], "bootstrap failed"), (&["no-such"], "the repositories have no package no-such")]
    {
        let error = repository.pinned(packages).expect_err(told);
        let source = std::error::Error::source(&error).map(ToString::to_string).unwrap_or_default();
        assert!(error.to_string().contains(told), "{error}: {source}");
        if packages == ["broken"] {
            assert!(source.contains("scriptlet failed") || source.contains("script of a package failed"), "{source}");
        }
    }
    let error = repository.build(&[], Sha256::of(b"another index")).expect_err("it has changed");
    assert!(matches!(error, BootstrapError::RepositoryMoved), "{error}");

    // A package that was changed, of which no good copy is kept.
    fs::remove_dir_all(repository.work.path().join("cache")).expect("a directory");
    let package = repository.work.path().join("out/repo/filesystem-16.0-1.x86_64.rpm");
    let good = fs::read(&package).expect("a package");
    let mut bad = good.clone();
    let end = bad.len() - 20;
    bad[end] ^= 1;
    fs::write(&package, bad).expect("a package");
    repository.pinned(&[]).expect_err("its checksum is another one");
    fs::write(&package, good).expect("a package");

    // An index that was changed, and a key that signed nothing.
    let good = fs::read(repository.index()).expect("an index");
    fs::write(repository.index(), [&good[..], b"\n"].concat()).expect("an index");
    let error = repository.pinned(&[]).expect_err("its signature is another one");
    assert!(matches!(error, BootstrapError::UnknownKey { .. }), "{error}");
    fs::write(repository.index(), good).expect("an index");
    let other = Repository::new();
    repository.how.keyring.file.clone_from(&other.how.keyring.file);
    let error = repository.pinned(&[]).expect_err("nobody knows its key");
    assert!(matches!(error, BootstrapError::UnknownKey { .. }), "{error}");
}
