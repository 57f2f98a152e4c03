//! An apt repository for tests: a synthetic distribution with Ubuntu's names, made of packages of Debian 12. No mirror of Ubuntu is
//! needed.
//!
//! Real: mmdebstrap, apt and dpkg with their solver, signatures and databases; the programs, libraries, units and kernel, which are
//! Debian's; netplan, cloud-init, systemd-networkd, initramfs-tools; GRUB, and the programs that Debian signed for Secure Boot.
//!
//! Synthetic: the release (`ID=ubuntu`, and `NAME` says that it is synthetic); the suites, of which `noble-updates` and
//! `noble-security` have one package each; `linux-image-virtual`, `linux-virtual` and `ubuntu-keyring`; the dependencies of
//! `grub-efi-amd64-signed` and of the kernel, which are Ubuntu's; `cloud.cfg`, which names Ubuntu and its user; `grub-install`,
//! which is a wrapper with Ubuntu's options. The signed GRUB looks in `EFI/debian`, where a file leads to `EFI/ubuntu`. Versions are
//! those of Debian 12, not of any release of Ubuntu.

use std::fs;
use std::path::{Path, PathBuf};

use crate::synthetic::Server;

/// The data of the program, of which the tests change one line: the fingerprint.
const DATA: &str = include_str!("../../distros/ubuntu/distro.yaml");

/// The synthetic distribution, as seen from a directory with recipes.
pub(crate) struct AptDistro {
    /// The directory with the repository `repo/`.
    pub(crate) made: PathBuf,
    server: Server,
}

impl AptDistro {
    /// Puts the data of Ubuntu with a key of the tests into a directory, and a keyring with two keys, `key.gpg`.
    pub(crate) fn new(work: &Path) -> Self {
        let made = crate::synthetic::made("apt_distro");
        fs::copy(made.join("key.gpg"), work.join("key.gpg")).expect("a keyring");
        let this = Self { server: Server::start(&made.join("repo")), made };
        this.trust(work, "fingerprint");
        this
    }

    /// Lets the data name one key of the keyring: `fingerprint` is the one that signs the repository, `retired` the other.
    pub(crate) fn trust(&self, work: &Path, key: &str) {
        let fingerprint = fs::read_to_string(self.made.join(key)).expect("a fingerprint");
        let real =
            DATA.split_once("fingerprints: [").and_then(|(_, rest)| rest.split_once(']')).expect("they are there").0;
        let folder = work.join("distros/ubuntu");
        fs::create_dir_all(&folder).expect("a directory");
        fs::write(folder.join("distro.yaml"), DATA.replace(real, fingerprint.trim())).expect("a file");
    }

    /// The key `base` of a recipe.
    pub(crate) fn base(&self) -> String {
        let url = &self.server.url;
        format!(
            "base: {{ bootstrap: {{ distro: ubuntu, release: noble, keyring: key.gpg, mirror: \"{url}\", security-mirror: \"{url}\" }} }}\n"
        )
    }
}
