//! What the store can fail with.

use std::path::{Path, PathBuf};

use super::LayerKey;
use crate::fsx::PathError;
use crate::process::ProcessError;

/// An operation of the layer store that failed. The store itself is intact after each of them.
#[derive(Debug, thiserror::Error)]
pub enum StoreError {
    /// The file system of the store is full.
    #[error("no space left for the layer cache (writing {}): free some, or make the cache smaller with `goldsmith cache gc`", path.display())]
    NoSpace {
        /// What was being written.
        path: PathBuf,
    },
    /// A file of the store cannot be read or written.
    #[error("the layer cache is not accessible")]
    Access(#[source] PathError),
    /// The store was made by a later version of this program.
    #[error("the layer cache {} has format {found}, and this goldsmith knows formats up to {known}: use a newer goldsmith or another cache directory", root.display())]
    Newer {
        /// Where the store is.
        root: PathBuf,
        /// Its format.
        found: u64,
        /// The highest format known here.
        known: u64,
    },
    /// The directory belongs to another user, who could change what is in it.
    #[error("the cache directory {} belongs to another user (uid {owner})", root.display())]
    Foreign {
        /// The directory.
        root: PathBuf,
        /// Its owner.
        owner: u32,
    },
    /// Other users may write to the directory.
    #[error("other users may write to the cache directory {} (mode {mode:o})", root.display())]
    Shared {
        /// The directory.
        root: PathBuf,
        /// Its permissions.
        mode: u32,
    },
    /// The directory holds other things than a cache.
    #[error("{} is not a cache: it holds `{found}` and no store.json", root.display())]
    NoStore {
        /// The directory.
        root: PathBuf,
        /// One of the things in it.
        found: String,
    },
    /// `store.json` says nothing understandable.
    #[error("{} is damaged ({reason}): remove that file if this directory is a layer cache, or use another directory", path.display())]
    Damaged {
        /// The file.
        path: PathBuf,
        /// What is wrong with it.
        reason: String,
    },
    /// Another process, or a slot of this one, uses the store in a way that excludes this.
    #[error("the layer cache {} is in use: {reason}", root.display())]
    Busy {
        /// Where the store is.
        root: PathBuf,
        /// Who uses it, and what to do.
        reason: &'static str,
    },
    /// A layer cannot be completed, because what it was made on is not there any more.
    #[error("layer {} was made on {parent}, which is incomplete or was replaced meanwhile: build again", key.short())]
    Parent {
        /// The layer.
        key: LayerKey,
        /// Layer or image it was made on, for people.
        parent: String,
    },
    /// A base image has a name that the store does not look for.
    #[error("`{0}` is not how the cache names a base image: its digest, alone or with the extension .qcow2 or .raw")]
    ImageName(String),
    /// `qemu-img` did not do what it was asked to.
    #[error("cannot work on {}", path.display())]
    QemuImg {
        /// The disk.
        path: PathBuf,
        /// What became of it.
        #[source]
        source: ProcessError,
    },
    /// The user asked to stop.
    #[error("interrupted")]
    Interrupted,
}

impl StoreError {
    /// The error of a `qemu-img` call on a disk, or lack of space if that is what it complains of.
    pub(super) fn qemu_img(path: &Path, source: ProcessError) -> Self {
        match source {
            ProcessError::Interrupted => Self::Interrupted,
            ProcessError::Failed { ref tail, .. }
                if tail.iter().any(|line| line.contains("No space left on device")) =>
            {
                Self::NoSpace { path: path.to_owned() }
            }
            source => Self::QemuImg { path: path.to_owned(), source },
        }
    }
}

impl From<PathError> for StoreError {
    fn from(error: PathError) -> Self {
        if error.is_no_space() { Self::NoSpace { path: error.path } } else { Self::Access(error) }
    }
}

#[cfg(test)]
mod tests {
    use std::io;
    use std::os::unix::process::ExitStatusExt as _;

    use super::*;

    #[test]
    fn lack_of_space_is_named_as_such() {
        let path = Path::new("disk.qcow2");
        let from_io = |kind: io::ErrorKind| StoreError::from(PathError { path: path.to_owned(), source: kind.into() });
        let from_tool = |line: &str| {
            let status = std::process::ExitStatus::from_raw(256);
            let source = ProcessError::Failed { program: "qemu-img".into(), status, tail: vec![line.into()] };
            StoreError::qemu_img(path, source)
        };
        assert!(matches!(from_io(io::ErrorKind::StorageFull), StoreError::NoSpace { .. }));
        assert!(matches!(from_io(io::ErrorKind::PermissionDenied), StoreError::Access(_)));
        let full = from_tool("qemu-img: disk.qcow2: Could not write: No space left on device");
        assert!(matches!(full, StoreError::NoSpace { .. }));
        assert!(matches!(from_tool("qemu-img: Permission denied"), StoreError::QemuImg { .. }));
    }
}
