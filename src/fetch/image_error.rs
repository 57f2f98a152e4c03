//! Why a base image cannot be had.

use std::io;
use std::path::PathBuf;

use super::connection::HttpError;
use super::signature::SignatureError;
use super::sums::SumsFault;
use crate::digest::Sha256;
use crate::disk::qemu_img::QemuImgError;
use crate::fsx::PathError;
use crate::image::convert::ConvertError;
use crate::image::read::OpenError;
use crate::units::ByteSize;

/// Why a base image cannot be had.
#[derive(Debug, thiserror::Error)]
pub enum ImageError {
    /// It could not be downloaded.
    #[error(transparent)]
    Http(HttpError),
    /// A file could not be accessed.
    #[error(transparent)]
    Access(#[from] PathError),
    /// A file that the recipe names is not there, or is none.
    #[error("cannot read {}, which the recipe's base names", path.display())]
    NoSuchFile {
        /// Where it was looked for.
        path: PathBuf,
        /// What the system said.
        #[source]
        source: io::Error,
    },
    /// The file is another than the recipe means.
    #[error(
        "{origin} has another SHA-256 than the recipe says; nothing of it is kept\n  expected {expected}\n  found    {found}"
    )]
    WrongDigest {
        /// Where the file came from.
        origin: String,
        /// What the recipe says.
        expected: Sha256,
        /// What the file has.
        found: Sha256,
    },
    /// A list of checksums does not tell which digest this file has.
    #[error("{sums} {fault}")]
    Sums {
        /// The list.
        sums: String,
        /// Why.
        fault: SumsFault,
    },
    /// A list of checksums is not signed as the recipe says.
    #[error(transparent)]
    Signature(#[from] SignatureError),
    /// There is nothing to go by offline.
    #[error("{0} is not in the cache: fetch it once without --offline")]
    NotCached(String),
    /// There is no room for it.
    #[error("no space left on this machine: {} needs {needed}, {available} are free", path.display())]
    NoSpace {
        /// Where it should go.
        path: PathBuf,
        /// Bytes needed.
        needed: ByteSize,
        /// Bytes free.
        available: ByteSize,
    },
    /// It is no disk image that may be used.
    #[error(transparent)]
    Format(#[from] OpenError),
    /// It cannot be made into a file that layers can stand on.
    #[error(transparent)]
    Convert(Box<ConvertError>),
    /// Its tables are damaged.
    #[error("{origin} is a damaged qcow2 image")]
    Damaged {
        /// Where the file came from.
        origin: String,
        /// What `qemu-img check` said.
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
