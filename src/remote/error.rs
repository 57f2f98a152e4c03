//! Errors of the remote layer cache.

use std::path::PathBuf;
use std::time::Duration;

use crate::bucket::S3Error;
use crate::fetch::container::RepositoryError;
use crate::fsx::PathError;
use crate::layer::StoreError;

/// An error of the remote layer cache. A build goes on without it.
#[derive(Debug, thiserror::Error)]
pub enum RemoteError {
    /// The object store cannot be reached, or refuses a request.
    #[error(transparent)]
    S3(S3Error),
    /// The registry cannot be reached, or refuses a request.
    #[error(transparent)]
    Registry(RepositoryError),
    /// A file of a shared directory or of this machine cannot be read or written.
    #[error(transparent)]
    File(#[from] PathError),
    /// The local layer store failed.
    #[error(transparent)]
    Store(StoreError),
    /// The store does not answer.
    #[error("it has not answered for {:.0} s", .0.as_secs_f64())]
    Silent(Duration),
    /// The store is slower than making the layers.
    #[error("it is slower than making the layers: {received} of {total} bytes came in {seconds:.1} s")]
    Slow {
        /// Bytes that have arrived.
        received: u64,
        /// Bytes in all.
        total: u64,
        /// Duration of the transfer so far.
        seconds: f64,
    },
    /// The connection broke in the midst of an object.
    #[error("{name} ended early: {reason}")]
    Cut {
        /// Name of the object.
        name: String,
        /// The cause.
        reason: String,
    },
    /// An object is missing that a record names.
    #[error("{0} is missing")]
    Missing(String),
    /// The content of an object is not what its record says.
    #[error("{name} is damaged: {reason}")]
    Damaged {
        /// Name of the object.
        name: String,
        /// The damage.
        reason: String,
    },
    /// The shared directory is not there.
    #[error("{} is no directory", .0.display())]
    NoDirectory(PathBuf),
    /// A layer contains the value of a secret.
    #[error("`{step}` holds the value of a secret")]
    Secret {
        /// Name of the step.
        step: String,
    },
    /// A record could not be signed.
    #[error("cannot sign: {0}")]
    Sign(String),
    /// The user asked to stop.
    #[error("interrupted")]
    Interrupted,
}

impl RemoteError {
    /// Returns advice, if there is any.
    pub fn help(&self) -> Option<&'static str> {
        match self {
            Self::S3(error) => error.help(),
            Self::Registry(error) => error.help(),
            Self::NoDirectory(_) => Some("make the directory, or mount the file system that has it"),
            Self::Secret { .. } => Some("a script has written the secret into the image: see the page about security"),
            _ => None,
        }
    }

    /// Returns whether only one layer is affected, and not the whole store.
    pub(super) fn is_about_one_layer(&self) -> bool {
        matches!(self, Self::Missing(_) | Self::Damaged { .. } | Self::Secret { .. })
    }
}

impl From<S3Error> for RemoteError {
    fn from(error: S3Error) -> Self {
        match error {
            S3Error::Interrupted => Self::Interrupted,
            error => Self::S3(error),
        }
    }
}

impl From<RepositoryError> for RemoteError {
    fn from(error: RepositoryError) -> Self {
        match error {
            RepositoryError::Interrupted => Self::Interrupted,
            error => Self::Registry(error),
        }
    }
}

impl From<StoreError> for RemoteError {
    fn from(error: StoreError) -> Self {
        match error {
            StoreError::Interrupted => Self::Interrupted,
            error => Self::Store(error),
        }
    }
}
