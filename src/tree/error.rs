//! Errors of reading root trees.

use std::io;
use std::path::PathBuf;

use crate::fsx::PathError;
use crate::text::escaped;
use crate::units::ByteSize;

/// The reason why a root tree cannot be used. Nothing of it is kept.
#[derive(Debug, thiserror::Error)]
pub enum TreeError {
    /// An entry cannot be part of a tree.
    #[error("{origin}: `{entry}` {reason}")]
    Entry {
        /// The archive, layer or directory.
        origin: String,
        /// Name of the entry.
        entry: String,
        /// The reason.
        reason: String,
    },
    /// The file is no archive, or is damaged.
    #[error("{origin} cannot be read as a tar archive")]
    Archive {
        /// The archive or layer.
        origin: String,
        /// The error of the reader.
        #[source]
        source: io::Error,
    },
    /// The tree is larger than the disk.
    #[error("{origin} holds more than {limit}, the size of the disk: raise disk.size if the tree is so large")]
    TooLarge {
        /// The archive, layer or directory.
        origin: String,
        /// Size of the disk.
        limit: ByteSize,
    },
    /// The tree has more files than any system.
    #[error("{origin} has more than {limit} entries")]
    TooMany {
        /// The archive, layer or directory.
        origin: String,
        /// The limit.
        limit: usize,
    },
    /// The tree is not that of a system.
    #[error("{origin} is not the root tree of a system: {reason}")]
    NoSystem {
        /// The source of the tree.
        origin: String,
        /// The reason.
        reason: String,
    },
    /// A directory has changed while it was read.
    #[error("{} has changed during the build: nothing may write to the tree until the build has ended", .0.display())]
    Changed(PathBuf),
    /// A file could not be accessed.
    #[error(transparent)]
    Access(#[from] PathError),
    /// The user asked to stop.
    #[error("interrupted")]
    Interrupted,
}

impl TreeError {
    /// Makes an error about an entry.
    pub(super) fn entry(origin: &str, entry: &[u8], reason: impl Into<String>) -> Self {
        Self::Entry { origin: origin.to_owned(), entry: escaped(entry), reason: reason.into() }
    }
}
