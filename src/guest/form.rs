//! What a guest makes on a new disk, because only a kernel can.

use std::path::PathBuf;

use super::MountSource;

/// One thing that is made.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Step {
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
}
