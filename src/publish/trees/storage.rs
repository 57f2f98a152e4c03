//! The interface of a tree's storage, which directories and object stores implement.

use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

use super::error::TreeError;
use super::image_version::{Entry, ROLLED_BACK, made_at};
use crate::export::manifest;
use crate::fsx::FileLock;
use crate::interrupt::Interrupt;

/// A storage of files under paths. Paths have `/` between their parts and no `/` before the first one.
pub(super) trait Storage {
    /// Returns its name, for people.
    fn place(&self) -> String;

    /// Waits for the lock, which keeps other runs out; `None` if the storage has no locks.
    fn lock(&self, interrupt: &Interrupt) -> Result<Option<FileLock>, TreeError>;

    /// Removes leftovers of killed runs of an image, and returns their names; a dry run only returns them. A storage without locks
    /// takes only what is older than this.
    fn remove_leftovers(&self, image: &str, older_than: Duration, dry_run: bool) -> Result<Vec<String>, TreeError>;

    /// Returns the names of the folders in a folder. The empty path is the root.
    fn folders(&self, path: &str) -> Result<Vec<String>, TreeError>;

    /// Returns names and sizes of the files in a folder; none if the folder is missing.
    fn files(&self, path: &str) -> Result<BTreeMap<String, u64>, TreeError>;

    /// Returns the content of a small file; `None` if it is missing.
    fn read(&self, path: &str) -> Result<Option<Vec<u8>>, TreeError>;

    /// Writes a small file atomically.
    fn write(&self, path: &str, content: &[u8]) -> Result<(), TreeError>;

    /// Removes a small file, if it is there.
    fn remove(&self, path: &str) -> Result<(), TreeError>;

    /// Makes the folder of a version with these files, and replaces an existing one. Until all files are there, it is no complete
    /// version. `progress` gets the bytes that are done.
    fn put(
        &self,
        folder: &str,
        files: &[Entry],
        progress: &dyn Fn(u64),
        interrupt: &Interrupt,
    ) -> Result<(), TreeError>;

    /// Removes a version. Its folder stops being a version at once.
    fn discard(&self, folder: &str) -> Result<(), TreeError>;

    /// Returns the version that `latest` of an image points to.
    fn latest(&self, image: &str) -> Result<Option<String>, TreeError>;

    /// Points `latest` of an image to a version, or removes it.
    fn point(&self, image: &str, version: Option<&str>) -> Result<(), TreeError>;
}

/// Returns the complete versions of an image, the oldest first.
pub(super) fn versions(storage: &dyn Storage, image: &str) -> Result<Vec<String>, TreeError> {
    let mut versions = Vec::new();
    for version in storage.folders(image)? {
        if made_at(&version).is_some() && storage.files(&format!("{image}/{version}"))?.contains_key(manifest::FILE) {
            versions.push(version);
        }
    }
    versions.sort();
    Ok(versions)
}

/// Returns the versions of an image that were rolled back.
pub(super) fn rolled_back(storage: &dyn Storage, image: &str) -> Result<BTreeSet<String>, TreeError> {
    let list = storage.read(&format!("{image}/{ROLLED_BACK}"))?.unwrap_or_default();
    Ok(String::from_utf8_lossy(&list).lines().map(str::to_owned).collect())
}
