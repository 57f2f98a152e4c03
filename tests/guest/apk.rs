//! Disks that apk makes of a tiny repository with Alpine's names: what it installs and leaves, whom it trusts, and what fails.
//!
//! Real: apk, which is the one of an image of Alpine; the forms of its packages and its index; signatures. Synthetic: the packages.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

use goldsmith::base::{BootstrapError, Bootstrapped};
use goldsmith::digest::Sha256;
use goldsmith::distro::{self, Distros, Keyring};
use goldsmith::process::capture;
use goldsmith::recipe::Arch;

use crate::alpine_image::Alpine;
use crate::synthetic::Server;
use crate::tiny::{Tiny, below, file_of_disk};

/// Directory that the test runs in again, where apk is one of this machine's programs.
const INSIDE: &str = "GOLDSMITH_TEST_APK";

struct Repository<'a> {
    work: &'a Path,
    server: Server,
    how: distro::Bootstrap,
}

impl<'a> Repository<'a> {
    fn new(work: &'a Path) -> Self {
        let distros = Distros::built_in();
        let alpine = distros.get("alpine").and_then(|it| it.file.bootstrap.as_ref()).expect("it is known");
        let how = alpine.of("3.23", &["main".to_owned()], Arch::X86_64);
        let keys = work.join("keys").display().to_string();
        let how = distro::Bootstrap { keyring: Keyring { file: keys, ..how.keyring.clone() }, ..how };
        Self { work, server: Server::start(&work.join("out")), how }
    }

    fn index(&self) -> PathBuf {
        self.work.join("out/main/x86_64/APKINDEX.tar.gz")
    }

    /// Makes a disk of the packages that Alpine always has and these, with the index pinned by this digest.
    fn build(&self, packages: &[&str], sha256: Sha256) -> Result<Bootstrapped, BootstrapError> {
        let tiny =
            Tiny { distro: "alpine", release: "3.23", suite: "main", how: &self.how, work: self.work, client: None };
        tiny.build(&self.server.url, packages, sha256)
    }

    fn pinned(&self, packages: &[&str]) -> Result<Bootstrapped, BootstrapError> {
        self.build(packages, Sha256::of_file(&self.index()).expect("an index"))
    }
}

#[test]
#[ignore = "needs an image from the network"]
fn apk_makes_a_disk_of_packages_with_the_names_of_alpine() {
    match std::env::var_os(INSIDE) {
        Some(work) => inside(Path::new(&work)),
        None => again(),
    }
}

/// Makes the repository, and runs this test again where apk is installed, which this machine's distribution does not have.
fn again() {
    let alpine = Alpine::new();
    let support = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/support/apk");
    let work = alpine.path();
    capture(Command::new("sh").arg(support.join("program.sh")).arg(work.join("base.qcow2")).arg(work)).expect("apk");
    let busybox = ["/bin/busybox", "/usr/bin/busybox"].into_iter().find(|path| Path::new(path).exists());
    let mut make = Command::new("python3");
    make.arg(support.join("make.py")).arg(work).arg(busybox.expect("busybox")).arg(work.join("bin/apk"));
    capture(&mut make).expect("the repository");
    let mut unshare = Command::new("unshare");
    if !rustix::process::geteuid().is_root() {
        unshare.args(["--user", "--map-auto", "--map-root-user"]);
    }
    unshare.args(["--mount", "sh", "-euc", "mount --bind \"$1\" /usr/local/bin; shift; exec \"$@\"", "sh"]);
    unshare.arg(work.join("bin")).arg(std::env::current_exe().expect("a program"));
    unshare.args(["--ignored", "--exact", "apk::apk_makes_a_disk_of_packages_with_the_names_of_alpine", "--nocapture"]);
    let output = unshare.env(INSIDE, work).output().expect("unshare");
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&[output.stdout, output.stderr].concat()));
}

fn inside(work: &Path) {
    let mut repository = Repository::new(work);
    let disk = work.join("disk.qcow2");
    let made = repository.pinned(&[]).expect("a disk");
    let told: Vec<_> = made.packages.iter().map(|it| format!("{} {} {}", it.name, it.version, it.arch)).collect();
    assert_eq!(told, ["alpine-base 1.0-r0 x86_64", "apk-tools 1.0-r0 x86_64", "busybox 1.0-r0 x86_64"]);
    // The script has run in the tree.
    assert!(file_of_disk(&disk, "/etc/of-the-script").contains("ID=alpine"));
    assert_eq!(file_of_disk(&disk, "/etc/apk/repositories"), format!("{}/main\n", repository.server.url));
    assert_eq!(file_of_disk(&disk, "/etc/apk/world"), "alpine-base\n");
    let cache = work.join("cache/packages");
    assert_eq!(below(&cache, ".apk").len(), 3, "{:?}", below(&cache, ""));

    // Packages that are kept are not downloaded again.
    let packages = work.join("out/main/x86_64");
    let aside = work.join("aside");
    fs::create_dir(&aside).expect("a directory");
    for name in below(&packages, ".apk") {
        fs::rename(packages.join(&name), aside.join(&name)).expect("a package");
    }
    assert_eq!(repository.pinned(&[]).expect("a disk"), made);
    for name in below(&aside, ".apk") {
        fs::rename(aside.join(&name), packages.join(&name)).expect("a package");
    }

    for (packages, told) in
        [(&["broken"][..], "a script of a package failed"), (&["no-such"], "the repositories have no package no-such")]
    {
        let error = repository.pinned(packages).expect_err(told);
        let source = std::error::Error::source(&error).map(ToString::to_string).unwrap_or_default();
        assert!(format!("{error}: {source}").contains(told), "{error}: {source}");
    }
    let error = repository.build(&[], Sha256::of(b"another index")).expect_err("it has changed");
    assert!(matches!(error, BootstrapError::RepositoryMoved), "{error}");

    // A package that was changed, of which no good copy is kept.
    fs::remove_dir_all(work.join("cache")).expect("a directory");
    let package = packages.join("busybox-1.0-r0.apk");
    let good = fs::read(&package).expect("a package");
    let mut bad = good.clone();
    let end = bad.len() - 100;
    bad[end] ^= 1;
    fs::write(&package, bad).expect("a package");
    repository.pinned(&[]).expect_err("its checksum is another one");
    fs::write(&package, good).expect("a package");

    // An index that was changed, and a key that signed nothing.
    let good = fs::read(repository.index()).expect("an index");
    let mut bad = good.clone();
    let end = bad.len() - 60;
    bad[end] ^= 1;
    fs::write(repository.index(), bad).expect("an index");
    repository.pinned(&[]).expect_err("its content is not what was signed");
    fs::write(repository.index(), good).expect("an index");
    fs::create_dir(work.join("others")).expect("a directory");
    let openssl = |arguments: &[&str]| capture(Command::new("openssl").current_dir(work).args(arguments));
    openssl(&["genrsa", "-out", "other.pem", "2048"]).expect("a key");
    openssl(&["rsa", "-in", "other.pem", "-pubout", "-out", "others/test.rsa.pub"]).expect("a key");
    repository.how.keyring.file = work.join("others").display().to_string();
    let error = repository.pinned(&[]).expect_err("nobody knows its key");
    assert!(matches!(error, BootstrapError::UnknownKey { .. }), "{error}");
}
