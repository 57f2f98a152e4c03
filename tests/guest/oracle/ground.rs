//! The tree of an image on the host, in which shell scripts do what recipes say.

use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use super::action::EPOCH;
use crate::calls::small_guest::{run, tool};

/// Where scripts lie: in a directory that belongs to a running system, so that it is not compared.
const SCRIPT: &str = "run/oracle-script";

pub(super) struct Ground {
    pub(super) root: PathBuf,
}

impl Ground {
    /// The tree of an archive.
    pub(super) fn of(archive: &Path, root: PathBuf) -> Self {
        unpack(archive, &root);
        // An archive of an image has no devices.
        for (path, minor) in [("dev/null", 3), ("dev/zero", 5)] {
            if !root.join(path).exists() {
                run(tool("mknod").args(["-m", "666"]).arg(root.join(path)).args(["c", "1", &minor.to_string()]));
            }
        }
        std::fs::create_dir_all(root.join("run")).unwrap();
        std::fs::write(root.join("run/oracle-edit"), include_str!("edit.pl")).unwrap();
        Self { root }
    }

    /// Runs lines of shell with the tree as root, after the functions of `meaning.sh`.
    pub(super) fn run(&self, lines: &str) -> Result<(), String> {
        std::fs::write(self.root.join(SCRIPT), format!("{}\n{lines}", include_str!("meaning.sh"))).unwrap();
        let mut chroot = tool("chroot");
        chroot.env_clear().env("PATH", "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin");
        chroot.envs([("HOME", "/root"), ("LANG", "C.UTF-8")]).env("SOURCE_DATE_EPOCH", EPOCH.to_string());
        let output = chroot.arg(&self.root).arg("/bin/sh").arg(format!("/{SCRIPT}")).stdin(Stdio::null()).output();
        let output = output.unwrap();
        match output.status.success() {
            true => Ok(()),
            false => Err(String::from_utf8_lossy(&output.stderr).trim().to_owned()),
        }
    }
}

/// Packs a directory with everything that its files have.
pub(super) fn pack(directory: &Path, archive: &Path) {
    run(archiver().args(["-c", "-S", "-f"]).arg(archive).arg("-C").arg(directory).arg("."));
}

/// Unpacks an archive with everything that its files have.
pub(super) fn unpack(archive: &Path, directory: &Path) {
    std::fs::create_dir(directory).unwrap();
    run(archiver().args(["-x", "-p", "-f"]).arg(archive).arg("-C").arg(directory));
}

fn archiver() -> Command {
    let mut tar = tool("tar");
    tar.args(["--numeric-owner", "--xattrs", "--xattrs-include=*"]);
    tar
}
