//! A NoCloud seed: the disk from which cloud-init reads what a cloud would tell it.

use std::path::{Path, PathBuf};
use std::process::Command;

use goldsmith::process::capture;

/// A seed disk, and the private key that logs in where it was used.
pub(crate) struct Seed {
    /// Raw disk image, a FAT file system labelled `CIDATA`.
    pub(crate) disk: PathBuf,
    /// Private key of the only key pair that may log in.
    pub(crate) key: PathBuf,
}

impl Seed {
    /// Makes a fresh key pair and a seed with it in a directory.
    pub(crate) fn make(work: &Path, hostname: &str) -> Self {
        let (disk, key) = (work.join("seed.img"), work.join("id_ed25519"));
        capture(Command::new("ssh-keygen").args(["-q", "-t", "ed25519", "-N", "", "-C", "test", "-f"]).arg(&key))
            .expect("ssh-keygen makes a key pair");
        let public = std::fs::read_to_string(key.with_extension("pub")).expect("the public key");
        let (user_data, meta_data) = (work.join("user-data"), work.join("meta-data"));
        let text = format!(
            "#cloud-config\nssh_authorized_keys:\n  - {public}runcmd:\n  - [sh, -c, 'echo ran > /var/tmp/user-data']\n"
        );
        std::fs::write(&user_data, text).expect("user-data is written");
        let text = format!("instance-id: {hostname}-1\nlocal-hostname: {hostname}\n");
        std::fs::write(&meta_data, text).expect("meta-data is written");
        // 1440 KiB, as a floppy disk; the numbers are in KiB.
        capture(
            Command::new("mkfs.vfat").env("PATH", path_with_sbin()).args(["-n", "CIDATA", "-C"]).arg(&disk).arg("1440"),
        )
        .expect("mkfs.vfat makes a file system");
        capture(Command::new("mcopy").arg("-i").arg(&disk).args([&user_data, &meta_data]).arg("::"))
            .expect("mcopy copies the seed");
        Self { disk, key }
    }
}

/// `mkfs.vfat` lies where an ordinary user's `PATH` does not look.
fn path_with_sbin() -> String {
    format!("{}:/usr/sbin:/sbin", std::env::var("PATH").unwrap_or_default())
}
