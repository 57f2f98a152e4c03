//! Errors of fetching a base image.

use std::io;
use std::path::PathBuf;

use super::connection::HttpError;
use super::signature::SignatureError;
use super::sums::{Checksum, SumsFault};
use crate::disk::qemu_img::QemuImgError;
use crate::fsx::PathError;
use crate::image::convert::ConvertError;
use crate::image::read::OpenError;
use crate::units::ByteSize;

/// The reason why a base image is not available.
#[derive(Debug, thiserror::Error)]
pub enum ImageError {
    /// It could not be downloaded.
    #[error(transparent)]
    Http(HttpError),
    /// A file could not be accessed.
    #[error(transparent)]
    Access(#[from] PathError),
    /// A file that the recipe names is missing, or cannot be read.
    #[error("cannot read {}, which the recipe's base names", path.display())]
    NoSuchFile {
        /// The path that was tried.
        path: PathBuf,
        /// The error of the system.
        #[source]
        source: io::Error,
    },
    /// The file is not the one that the recipe means.
    #[error(
        "{origin} has another {} than the recipe says; nothing of it is kept\n  expected {expected}\n  found    {found}",
        expected.kind()
    )]
    WrongDigest {
        /// The source of the file.
        origin: String,
        /// The digest in the recipe.
        expected: Checksum,
        /// The digest of the file.
        found: Checksum,
    },
    /// A list of checksums does not have the digest of this file.
    #[error("{sums} {fault}")]
    Sums {
        /// The list.
        sums: String,
        /// The reason.
        fault: SumsFault,
    },
    /// The signature of a list of checksums is missing or wrong.
    #[error(transparent)]
    Signature(#[from] SignatureError),
    /// Offline, the cache has neither the image nor its pin.
    #[error("{0} is not in the cache: fetch it once without --offline")]
    NotCached(String),
    /// There is too little free space.
    #[error("no space left on this machine: {} needs {needed}, {available} are free", path.display())]
    NoSpace {
        /// The directory for the file.
        path: PathBuf,
        /// Bytes needed.
        needed: ByteSize,
        /// Bytes free.
        available: ByteSize,
    },
    /// The file is no usable disk image.
    #[error(transparent)]
    Format(#[from] OpenError),
    /// The image cannot be converted to a format for layers.
    #[error(transparent)]
    Convert(Box<ConvertError>),
    /// The tables of the image are damaged.
    #[error("{origin} is a damaged qcow2 image")]
    Damaged {
        /// The source of the file.
        origin: String,
        /// The error of `qemu-img check`.
        #[source]
        source: Box<QemuImgError>,
    },
    /// The user asked to stop.
    #[error("interrupted")]
    Interrupted,
}

impl From<HttpError> for ImageError {
    fn from(error: HttpError) -> Self {
        match error {
            HttpError::Interrupted => Self::Interrupted,
            error => Self::Http(error),
        }
    }
}
