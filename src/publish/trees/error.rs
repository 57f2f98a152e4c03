//! Errors of trees of files.

use std::path::PathBuf;

use super::image_version::ImageVersionError;
use super::sign::SignError;
use crate::bucket::S3Error;
use crate::digest::Sha256;
use crate::fsx::PathError;
use crate::units::ByteSize;

/// An error of publishing to a tree. No part of the version is left there.
#[derive(Debug, thiserror::Error)]
pub enum TreeError {
    /// The artifacts of the build cannot be published.
    #[error(transparent)]
    ImageVersion(#[from] ImageVersionError),
    /// A file could not be read or written.
    #[error(transparent)]
    File(#[from] PathError),
    /// The tree has too little room.
    #[error("{place} has {} free, and {} are needed", ByteSize::bytes(*free), ByteSize::bytes(*needed))]
    Room {
        /// Name of the tree, for people.
        place: String,
        /// Bytes free.
        free: u64,
        /// Bytes needed.
        needed: u64,
    },
    /// The content of an artifact is not the one that was built.
    #[error("{file} is not what was built: its SHA-256 is {found}, and the manifest says {expected}")]
    Differs {
        /// The artifact.
        file: String,
        /// The digest in the manifest.
        expected: Sha256,
        /// The digest of the file.
        found: Sha256,
    },
    /// The checksums could not be signed.
    #[error(transparent)]
    Sign(#[from] SignError),
    /// The object store does not answer, or refuses a request.
    #[error(transparent)]
    S3(S3Error),
    /// Publishing failed, and it could not be undone.
    #[error("cannot publish to {place}, nor undo what was begun there: {undo}")]
    Half {
        /// Name of the tree, for people.
        place: String,
        /// Why it could not be undone.
        undo: Box<TreeError>,
        /// Why publishing failed.
        #[source]
        source: Box<TreeError>,
    },
    /// A path with the name of a version or of the index was not made by this program.
    #[error("{} was not published by goldsmith, and would be replaced or removed", path.display())]
    Foreign {
        /// The folder or file.
        path: PathBuf,
    },
    /// The index is signed, and no key would sign the next one.
    #[error("the index of {0} is signed, and no key would sign the next one")]
    SignedIndex(String),
    /// The promoted version was built later than the one to publish.
    #[error("{image}/{newer} is newer than {version}, and `latest` of {place} leads to it")]
    Newer {
        /// Name of the tree, for people.
        place: String,
        /// Name of the image.
        image: String,
        /// The version to publish.
        version: String,
        /// The promoted version.
        newer: String,
    },
    /// The user asked to stop.
    #[error("interrupted")]
    Interrupted,
}

impl TreeError {
    /// Returns advice, if there is any.
    pub fn help(&self) -> Option<&'static str> {
        Some(match self {
            Self::ImageVersion(error) => return error.help(),
            Self::Sign(error) => return error.help(),
            Self::S3(error) => return error.help(),
            Self::Differs { .. } => "build it again: what is there is not what was verified",
            Self::Room { .. } => "free some, or keep fewer versions: `keep`",
            Self::File(error) if error.is_no_space() => "free some, or keep fewer versions: `keep`",
            Self::Newer { .. } => {
                "`goldsmith publish --rollback` goes back to the version before; `--allow-older` publishes this one all the same"
            }
            Self::Foreign { .. } => "move it away, or publish to another place",
            Self::SignedIndex(_) => {
                "name its key: `sign: { openpgp: KEY }` of the target, or `--sign-openpgp KEY`; to stop signing, remove streams/v1/*.sjson first"
            }
            Self::Half { .. } => "publish again when the cause is gone: that puts it right",
            Self::File(_) | Self::Interrupted => return None,
        })
    }
}

impl From<S3Error> for TreeError {
    fn from(error: S3Error) -> Self {
        match error {
            S3Error::Interrupted => Self::Interrupted,
            error => Self::S3(error),
        }
    }
}
