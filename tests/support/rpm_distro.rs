//! A repository of RPM packages for tests: a synthetic distribution with Fedora's names, made of packages of Debian 12.
//! No mirror of a distribution with RPM packages is needed.
//!
//! Real: dnf and rpm with their solver, transactions, signatures and database; the programs, libraries, units and kernel,
//! which are Debian's; dependencies by soname, found by rpm's generators; owners, modes and capabilities; scriptlets; dracut;
//! GRUB, and the programs that Debian signed for Secure Boot.
//!
//! Synthetic: the names of packages and the paths of files; the release (`ID=fedora`, and `NAME` says that it is
//! synthetic); how packages are divided; the wrappers `grub2-install` and `grub2-editenv`; `grubby` and `update-ca-trust`,
//! which are small scripts. Debian's GRUB has no `blscfg`: `grub2-mkconfig` and `grubby` write the entries of
//! `/boot/loader/entries` into `grub.cfg` instead. The signed GRUB looks in `EFI/debian`, where a file leads to
//! `EFI/fedora`. Libraries are in Debian's directories. There is no SELinux policy. `synthetic-compat` provides what no
//! other package does.

use std::fs::{self, File};
use std::path::{Path, PathBuf};
use std::process::Command;

use goldsmith::digest::Sha256;
use goldsmith::process::capture;

/// The scripts that make the repository.
const SCRIPTS: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/tests/support/rpm_distro");

/// A directory with the repository `repo/`, whose list and packages are signed, and the public key `key.asc`. The first
/// call makes it, for all processes and until the scripts change. Nobody writes there.
pub(crate) fn repository() -> PathBuf {
    let shared = Path::new(env!("CARGO_TARGET_TMPDIR")).join("shared/rpm-distro");
    fs::create_dir_all(&shared).expect("a directory");
    let lock = File::create(shared.join("lock")).expect("a lock file");
    lock.lock().expect("the lock");
    let made = shared.join("made");
    let maker = maker();
    let made_by = shared.join("made-by");
    if made.exists() && fs::read_to_string(&made_by).is_ok_and(|by| by == maker) {
        return made;
    }
    if made.exists() {
        fs::remove_dir_all(&made).expect("the old repository can be removed");
    }
    let mut make = Command::new("sh");
    make.arg(Path::new(SCRIPTS).join("make.sh")).arg(shared.join("debs")).arg(&made);
    capture(&mut make).unwrap_or_else(|error| panic!("{error}"));
    fs::write(made_by, maker).expect("a file");
    made
}

/// Names and digests of all scripts.
fn maker() -> String {
    let mut directories = vec![PathBuf::from(SCRIPTS)];
    let mut lines = Vec::new();
    while let Some(directory) = directories.pop() {
        for entry in fs::read_dir(directory).expect("a directory") {
            let path = entry.expect("an entry").path();
            if path.is_dir() {
                directories.push(path);
            } else {
                lines.push(format!("{} {}\n", Sha256::of_file(&path).expect("a file"), path.display()));
            }
        }
    }
    lines.sort();
    lines.concat()
}
