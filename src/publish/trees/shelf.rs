//! A place that keeps the files of images.

use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

use super::edition::{Entry, ROLLED_BACK, made_at};
use super::error::TreeError;
use crate::export::manifest;
use crate::fsx::FileLock;
use crate::interrupt::Interrupt;

/// A place that keeps files under paths. Paths have `/` between their parts and no `/` before the first one.
pub(super) trait Shelf {
    /// What people call it.
    fn place(&self) -> String;

    /// Waits until nobody else changes it, where that can be known; the result keeps others out.
    fn lock(&self, interrupt: &Interrupt) -> Result<Option<FileLock>, TreeError>;

    /// Removes what runs that were killed have left of an image, and tells it. Where others cannot be kept out, only what is
    /// older than this is left over.
    fn tidy(&self, image: &str, older_than: Duration) -> Result<Vec<String>, TreeError>;

    /// Names of the folders in a folder; the empty path is the whole place.
    fn folders(&self, path: &str) -> Result<Vec<String>, TreeError>;

    /// Names and sizes of the files in a folder; none if there is no such folder.
    fn files(&self, path: &str) -> Result<BTreeMap<String, u64>, TreeError>;

    /// Content of a small file; `None` if there is none.
    fn read(&self, path: &str) -> Result<Option<Vec<u8>>, TreeError>;

    /// Writes a small file, which is seen with its whole content or not at all.
    fn write(&self, path: &str, content: &[u8]) -> Result<(), TreeError>;

    /// Removes a small file, if it is there.
    fn remove(&self, path: &str) -> Result<(), TreeError>;

    /// Makes the folder of a version with these files, in place of what has its name. It is seen with all of them or is no
    /// version. `progress` is told the bytes done.
    fn put(
        &self,
        folder: &str,
        files: &[Entry],
        progress: &dyn Fn(u64),
        interrupt: &Interrupt,
    ) -> Result<(), TreeError>;

    /// Removes a version, whose folder is no version any more from the first moment on.
    fn discard(&self, folder: &str) -> Result<(), TreeError>;

    /// The version that `latest` of an image leads to.
    fn latest(&self, image: &str) -> Result<Option<String>, TreeError>;

    /// Lets `latest` of an image lead to a version, or removes it.
    fn point(&self, image: &str, version: Option<&str>) -> Result<(), TreeError>;
}

/// Versions of an image that are there, the oldest first.
pub(super) fn versions(shelf: &dyn Shelf, image: &str) -> Result<Vec<String>, TreeError> {
    let mut versions = Vec::new();
    for version in shelf.folders(image)? {
        if made_at(&version).is_some() && shelf.files(&format!("{image}/{version}"))?.contains_key(manifest::FILE) {
            versions.push(version);
        }
    }
    versions.sort();
    Ok(versions)
}

/// Versions of an image that were rolled back.
pub(super) fn rolled_back(shelf: &dyn Shelf, image: &str) -> Result<BTreeSet<String>, TreeError> {
    let list = shelf.read(&format!("{image}/{ROLLED_BACK}"))?.unwrap_or_default();
    Ok(String::from_utf8_lossy(&list).lines().map(str::to_owned).collect())
}
