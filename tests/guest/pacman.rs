//! Disks that pacman makes of a tiny repository with Arch Linux's names: what it installs and leaves, whom it trusts, and what fails.
//!
//! Real: pacman, which is Debian's; the forms of packages, database and keyrings; signatures. Synthetic: the packages.

use std::fs;
use std::path::{Path, PathBuf};
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
        // GnuPG's sockets cannot have such a long path.
        let work = tempfile::Builder::new().prefix(&"long-".repeat(20)).tempdir().expect("a directory");
        let busybox = ["/bin/busybox", "/usr/bin/busybox"].into_iter().find(|path| Path::new(path).exists());
        let mut make = Command::new("python3");
        make.arg(concat!(env!("CARGO_MANIFEST_DIR"), "/tests/support/pacman/make.py"));
        make.arg(work.path()).arg(busybox.expect("busybox"));
        capture(&mut make).expect("the repository");
        let server = Server::start(&work.path().join("out"));
        let distros = Distros::built_in();
        let arch = distros.get("archlinux").and_then(|it| it.file.bootstrap.as_ref()).expect("it is known");
        let how = arch.of("rolling", &["core".to_owned()], Arch::X86_64);
        let repository = Self { work, server, how };
        repository.trusting("arch")
    }

    /// The repository, with another file of keys.
    fn trusting(mut self, keyring: &str) -> Self {
        let file = self.work.path().join(format!("keys/{keyring}.gpg")).display().to_string();
        self.how.keyring = Keyring { file, ..self.how.keyring };
        self
    }

    fn packages(&self) -> PathBuf {
        self.work.path().join("out/core/os/x86_64")
    }

    fn database(&self) -> PathBuf {
        self.packages().join("core.db")
    }

    /// Makes a disk of the packages that Arch Linux always has and these, with the database pinned by this digest.
    fn build(&self, packages: &[&str], sha256: Sha256) -> Result<Bootstrapped, BootstrapError> {
        let tiny = Tiny {
            distro: "arch",
            release: "rolling",
            suite: "core",
            how: &self.how,
            work: self.work.path(),
            client: None,
        };
        tiny.build(&self.server.url, packages, sha256)
    }

    fn pinned(&self, packages: &[&str]) -> Result<Bootstrapped, BootstrapError> {
        self.build(packages, Sha256::of_file(&self.database()).expect("a database"))
    }

    fn file(&self, path: &str) -> String {
        file_of_disk(&self.work.path().join("disk.qcow2"), path)
    }
}

/// The message of an error, and that of its source.
fn said(error: &BootstrapError) -> String {
    let source = std::error::Error::source(error).map(ToString::to_string).unwrap_or_default();
    format!("{error}: {source}")
}

/// Changes a byte of a file, as far before its end. Returns what it had.
fn damage(path: &Path, before_end: usize) -> Vec<u8> {
    let good = fs::read(path).expect("a file");
    let mut bad = good.clone();
    let end = bad.len() - before_end;
    bad[end] ^= 1;
    fs::write(path, bad).expect("a file");
    good
}

#[test]
#[ignore = "needs pacman"]
fn pacman_makes_a_disk_of_packages_with_the_names_of_arch_linux() {
    let repository = Repository::new();
    let made = repository.pinned(&[]).unwrap_or_else(|error| panic!("{}", said(&error)));
    let told: Vec<_> = made.packages.iter().map(|it| format!("{} {} {}", it.name, it.version, it.arch)).collect();
    let all = ["base", "busybox", "filesystem", "pacman"].map(|name| format!("{name} 1:1.0-1 x86_64"));
    assert_eq!(told, all);
    // Script and hook have run in the tree.
    assert!(repository.file("/etc/of-the-script").contains("ID=arch"));
    assert_eq!(repository.file("/etc/of-the-hook"), "hook\n");
    assert_eq!(
        repository.file("/etc/pacman.d/mirrorlist"),
        format!("Server = {}/$repo/os/$arch\n", repository.server.url)
    );
    assert!(repository.file("/etc/pacman.conf").contains("Include = /etc/pacman.d/mirrorlist"));
    let desc = repository.file("/var/lib/pacman/local/base-1:1.0-1/desc");
    assert!(desc.contains("%INSTALLDATE%\n1700000000\n"), "{desc}");
    assert!(repository.file("/etc/mkinitcpio.conf.d/image.conf").contains("HOOKS="));
    // What only the bootstrap needed is not there.
    for path in ["/var/lib/pacman/sync/core.db", "/var/log/pacman.log", "/etc/pacman.d/gnupg/pubring.gpg"] {
        assert_eq!(repository.file(path), "", "{path}");
    }
    let cache = repository.work.path().join("cache/packages");
    assert_eq!(below(&cache, ".zst").len(), 4, "{:?}", below(&cache, ""));

    // Packages that are kept are not downloaded again.
    let aside = repository.work.path().join("aside");
    fs::create_dir(&aside).expect("a directory");
    let packages = [below(&repository.packages(), ".zst"), below(&repository.packages(), ".sig")].concat();
    for name in packages {
        fs::rename(repository.packages().join(&name), aside.join(&name)).expect("a package");
    }
    assert_eq!(repository.pinned(&[]).expect("a disk"), made);
}

#[test]
#[ignore = "needs pacman"]
fn pacman_fails_where_it_cannot_do_all() {
    let repository = Repository::new();
    for (packages, told) in [
        (&["broken"][..], "a script of a package failed"),
        (&["broken-hook"], "a script of a package failed"),
        (&["no-such", "nor-this"], "the repositories have no package no-such, nor-this"),
        (&["needy"], "no-such-library"),
    ] {
        let error = repository.pinned(packages).expect_err(told);
        assert!(said(&error).contains(told), "{}", said(&error));
    }
    let error = repository.pinned(&["needy"]).expect_err("it needs another one");
    assert!(matches!(error, BootstrapError::Unsatisfiable { .. }), "{error}");
    let error = repository.build(&[], Sha256::of(b"another database")).expect_err("it has changed");
    assert!(matches!(error, BootstrapError::RepositoryMoved), "{error}");
    // The database names a package that the mirror no longer has.
    let package = repository.packages().join("broken-1:1.0-1-x86_64.pkg.tar.zst");
    fs::remove_dir_all(repository.work.path().join("cache")).expect("a directory");
    let good = fs::read(&package).expect("a package");
    fs::remove_file(&package).expect("a package");
    let error = repository.pinned(&["broken"]).expect_err("it is gone");
    assert!(matches!(error, BootstrapError::AbsentPackage { .. }), "{}", said(&error));
    fs::write(&package, good).expect("a package");
}

#[test]
#[ignore = "needs pacman"]
fn pacman_takes_only_what_trusted_packagers_have_signed() {
    let repository = Repository::new();
    for (packages, why) in [("of-a-former", "its key is revoked"), ("of-a-newcomer", "only one key vouches for it")] {
        let error = repository.pinned(&[packages]).expect_err(why);
        assert!(matches!(error, BootstrapError::UnknownKey { .. }), "{packages}: {}", said(&error));
    }
    // A package that was changed, of which no good copy is kept. The damaged one is not kept either.
    let cache = repository.work.path().join("cache");
    fs::remove_dir_all(&cache).expect("a directory");
    let package = repository.packages().join("busybox-1:1.0-1-x86_64.pkg.tar.zst");
    let good = damage(&package, 100);
    let error = repository.pinned(&[]).expect_err("its signature is that of another file");
    assert!(said(&error).contains("invalid"), "{}", said(&error));
    fs::write(&package, &good).expect("a package");
    repository.pinned(&[]).unwrap_or_else(|error| panic!("{}", said(&error)));

    // A package that was changed in the cache, which is forgotten and downloaded again.
    let kept = below(&cache, ".zst").into_iter().find(|name| name.starts_with("busybox")).expect("it is kept");
    let found = capture(Command::new("find").arg(&cache).args(["-name", &kept])).expect("find");
    damage(Path::new(found.trim()), 100);
    repository.pinned(&[]).expect_err("its signature is that of another file");
    repository.pinned(&[]).unwrap_or_else(|error| panic!("{}", said(&error)));

    // A database that was changed, and its pin with it.
    let good = fs::read(repository.database()).expect("a database");
    fs::write(repository.database(), &good[..good.len() / 2]).expect("a database");
    let error = repository.pinned(&[]).expect_err("it is damaged");
    assert!(said(&error).contains("core.db: truncated"), "{}", said(&error));
    fs::write(repository.database(), good).expect("a database");
    let repository = repository.trusting("other");
    let error = repository.pinned(&[]).expect_err("nobody knows its key");
    assert!(matches!(error, BootstrapError::UnknownKey { .. }), "{}", said(&error));
}
