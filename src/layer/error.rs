//! Errors of the layer store.

use std::path::{Path, PathBuf};

use super::LayerKey;
use crate::fsx::PathError;
use crate::process::ProcessError;

/// An error of the layer store. The store itself is still intact.
#[derive(Debug, thiserror::Error)]
pub enum StoreError {
    /// The file system of the store is full.
    #[error("no space left for the layer cache (writing {}): free some, or make the cache smaller with `goldsmith cache gc`", path.display())]
    NoSpace {
        /// The file that was written.
        path: PathBuf,
    },
    /// A file of the store cannot be read or written.
    #[error("the layer cache is not accessible")]
    Access(#[source] PathError),
    /// The store was made by a later version of this program.
    #[error("the layer cache {} has format {found}, and this goldsmith knows formats up to {known}: use a newer goldsmith or another cache directory", root.display())]
    Newer {
        /// Directory of the store.
        root: PathBuf,
        /// Format of the store.
        found: u64,
        /// Highest format that this version knows.
        known: u64,
    },
    /// The directory belongs to another user, who could change what is in it.
    #[error("the cache directory {} belongs to another user (uid {owner})", root.display())]
    Foreign {
        /// The directory.
        root: PathBuf,
        /// User id of the owner.
        owner: u32,
    },
    /// Other users may write to the directory.
    #[error("other users may write to the cache directory {} (mode {mode:o})", root.display())]
    Shared {
        /// The directory.
        root: PathBuf,
        /// Mode of the directory.
        mode: u32,
    },
    /// The directory contains something that does not belong to a cache.
    #[error("{} is not a cache: it holds `{found}` and no store.json", root.display())]
    NoStore {
        /// The directory.
        root: PathBuf,
        /// Name of an unexpected entry.
        found: String,
    },
    /// `store.json` is not understood.
    #[error("{} is damaged ({reason}): remove that file if this directory is a layer cache, or use another directory", path.display())]
    Damaged {
        /// The file.
        path: PathBuf,
        /// The cause.
        reason: String,
    },
    /// Another process, or a slot of this one, uses the store at the same time.
    #[error("the layer cache {} is in use: {reason}", root.display())]
    Busy {
        /// Directory of the store.
        root: PathBuf,
        /// What uses the store, with advice.
        reason: &'static str,
    },
    /// A layer cannot be completed, because its parent was removed or replaced.
    #[error("layer {} was made on {parent}, which is incomplete or was replaced meanwhile: build again", key.short())]
    Parent {
        /// The layer.
        key: LayerKey,
        /// Parent layer or image, for people.
        parent: String,
    },
    /// A layer of another machine does not fit here.
    #[error("layer {} of another machine does not fit: {reason}", key.short())]
    Unfit {
        /// The layer.
        key: LayerKey,
        /// The cause.
        reason: String,
    },
    /// A base image has a name that the store does not know.
    #[error("the cache cannot name a base image `{0}`: use its digest, alone or with the extension .qcow2 or .raw")]
    ImageName(String),
    /// `qemu-img` failed.
    #[error("cannot work on {}", path.display())]
    QemuImg {
        /// The disk.
        path: PathBuf,
        /// The error of `qemu-img`.
        #[source]
        source: ProcessError,
    },
    /// The user asked to stop.
    #[error("interrupted")]
    Interrupted,
}

impl StoreError {
    /// Makes the error of a `qemu-img` call; [`Self::NoSpace`] if it reports a full disk.
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
