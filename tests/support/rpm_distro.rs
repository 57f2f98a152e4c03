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

use std::path::PathBuf;

/// A directory with the repository `repo/`, whose list and packages are signed, and the public key `key.asc`.
pub(crate) fn repository() -> PathBuf {
    crate::synthetic::made("rpm_distro")
}
