//! I/O errors with the path.

use std::io::{self};
use std::path::{Path, PathBuf};

/// An I/O error with the path.
#[derive(Debug, thiserror::Error)]
#[error("cannot access {}", path.display())]
pub struct PathError {
    /// The path.
    pub path: PathBuf,
    /// The error of the system.
    #[source]
    pub source: io::Error,
}

impl PathError {
    /// Returns whether the file system was full.
    pub fn is_no_space(&self) -> bool {
        matches!(self.source.kind(), io::ErrorKind::StorageFull | io::ErrorKind::QuotaExceeded)
    }
}

/// An extension of I/O results that adds the path.
pub trait IoContext<T> {
    /// Adds the path to the error.
    fn at(self, path: impl AsRef<Path>) -> Result<T, PathError>;
}

impl<T> IoContext<T> for io::Result<T> {
    fn at(self, path: impl AsRef<Path>) -> Result<T, PathError> {
        self.map_err(|source| PathError { path: path.as_ref().to_owned(), source })
    }
}
