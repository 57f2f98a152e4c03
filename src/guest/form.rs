//! What a guest makes on a new disk, because only a kernel can.

use std::path::{Path, PathBuf};

use super::MountSource;

/// One thing that is made.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Step {
    /// A volume group with its volumes, on a new physical volume. Nothing else is written: what the volumes hold is there.
    Group {
        /// What the physical volume is on.
        on: MountSource,
        /// Name of the group.
        name: String,
        /// LVM's identifier of the physical volume.
        physical: String,
        /// The group and its volumes, as `vgcfgrestore` reads them.
        description: String,
        /// Devices of volumes, each with the UUID of what it holds.
        held: Vec<(String, String)>,
    },
    /// An XFS with files.
    Xfs {
        /// What it is on.
        on: MountSource,
        /// Its UUID.
        uuid: String,
        /// Its label.
        label: String,
        /// Tar file of this host with its content.
        files: PathBuf,
    },
    /// An ext4 with files.
    Ext4 {
        /// What it is on.
        on: MountSource,
        /// Its UUID.
        uuid: String,
        /// Hash seed of its directories.
        hash_seed: String,
        /// Its label.
        label: String,
        /// Tar file of this host with its content.
        files: PathBuf,
    },
    /// A LUKS container with a file system. It is locked afterwards.
    Encrypted {
        /// What it is on.
        on: MountSource,
        /// Its UUID.
        uuid: String,
        /// Its label, which is that of the file system.
        label: String,
        /// Name of the secret that opens it.
        secret: String,
        /// The file system, on [`opened`].
        inside: Box<Self>,
    },
    /// Nothing: finds out whether a secret opens a LUKS container.
    Opens {
        /// What it is on.
        on: MountSource,
        /// Its label.
        label: String,
        /// Name of the secret.
        secret: String,
    },
    /// A btrfs, with subvolumes that hold all its files if it has any.
    Btrfs {
        /// What it is on.
        on: MountSource,
        /// Its UUID.
        uuid: String,
        /// Its label.
        label: String,
        /// Names of the subvolumes, the outermost first, each with the directory of its files in the archive: `/home`, or nothing.
        subvolumes: Vec<(String, String)>,
        /// Tar file of this host with its content.
        files: PathBuf,
    },
}

/// Returns the device of an open container.
pub fn opened(label: &str) -> MountSource {
    MountSource::Device(format!("/dev/mapper/{label}"))
}

impl Step {
    /// Returns the archive that it unpacks.
    pub fn archive(&self) -> Option<&Path> {
        match self {
            Self::Group { .. } | Self::Opens { .. } => None,
            Self::Ext4 { files, .. } | Self::Xfs { files, .. } | Self::Btrfs { files, .. } => Some(files),
            Self::Encrypted { inside, .. } => inside.archive(),
        }
    }
}
