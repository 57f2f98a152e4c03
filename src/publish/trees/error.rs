//! Why a tree of files is not as it should be.

use std::path::PathBuf;

use super::edition::EditionError;
use super::s3::S3Error;
use super::sign::SignError;
use crate::digest::Sha256;
use crate::fsx::PathError;
use crate::units::ByteSize;

/// Why a version is not in a tree. Nothing half is there.
#[derive(Debug, thiserror::Error)]
pub enum TreeError {
    /// There is nothing that could be put there.
    #[error(transparent)]
    Edition(#[from] EditionError),
    /// A file could not be read or written.
    #[error(transparent)]
    File(#[from] PathError),
    /// The place has too little room.
    #[error("{place} has {} free, and {} are needed", ByteSize::bytes(*free), ByteSize::bytes(*needed))]
    Room {
        /// What people call the place.
        place: String,
        /// Bytes free.
        free: u64,
        /// Bytes needed.
        needed: u64,
    },
    /// An artifact is not what was built.
    #[error("{file} is not what was built: its SHA-256 is {found}, and the manifest says {told}")]
    Differs {
        /// The artifact.
        file: String,
        /// What the manifest says.
        told: Sha256,
        /// What it is.
        found: Sha256,
    },
    /// The checksums could not be signed.
    #[error(transparent)]
    Sign(#[from] SignError),
    /// The object store cannot be asked, or refuses.
    #[error(transparent)]
    S3(S3Error),
    /// What was begun could not be undone.
    #[error("cannot publish to {place}, nor undo what was begun there: {undo}")]
    Half {
        /// What people call the place.
        place: String,
        /// Why it could not be undone.
        undo: Box<TreeError>,
        /// Why it could not be published.
        #[source]
        source: Box<TreeError>,
    },
    /// What has the name of a version, or of the index, was not published by this program.
    #[error("{} was not published by goldsmith, and would be replaced or removed", path.display())]
    Foreign {
        /// The folder or file.
        path: PathBuf,
    },
    /// A version that was built later is the one that people get.
    #[error("{image}/{newer} is newer than {version}, and `latest` of {place} leads to it")]
    Newer {
        /// What people call the place.
        place: String,
        /// Name of the image.
        image: String,
        /// The version that is to be published.
        version: String,
        /// The version that is there.
        newer: String,
    },
    /// The user asked to stop.
    #[error("interrupted")]
    Interrupted,
}

impl From<S3Error> for TreeError {
    fn from(error: S3Error) -> Self {
        match error {
            S3Error::Interrupted => Self::Interrupted,
            error => Self::S3(error),
        }
    }
}
