//! The output directory: its lock, leftovers of killed builds, and protection of other programs' files.

use std::fs::{File, TryLockError};
use std::path::Path;
use std::time::Duration;

use super::error::ExportError;
use super::manifest::{self, Summary};
use crate::fsx::{IoContext as _, PathError, is_temporary};
use crate::image::digests::Checksum;
use crate::interrupt::Interrupt;

/// Pause between two tries to get the lock.
const POLL: Duration = Duration::from_millis(100);

/// Waits for the lock of a directory, which keeps other exports out while the result lives.
pub(super) fn lock(dir: &Path, interrupt: &Interrupt) -> Result<File, ExportError> {
    let opened = File::open(dir).at(dir)?;
    loop {
        match opened.try_lock() {
            Ok(()) => return Ok(opened),
            Err(TryLockError::WouldBlock) if interrupt.is_raised() => return Err(ExportError::Interrupted),
            Err(TryLockError::WouldBlock) => std::thread::sleep(POLL),
            Err(TryLockError::Error(source)) => return Err(PathError { path: dir.to_owned(), source }.into()),
        }
    }
}

/// Removes temporary files of killed builds for these artifacts.
pub(super) fn remove_stale<'a>(dir: &Path, files: impl Iterator<Item = &'a str> + Clone) -> Result<(), PathError> {
    for entry in std::fs::read_dir(dir).at(dir)? {
        let entry = entry.at(dir)?;
        let name = entry.file_name();
        let stale = name.to_str().is_some_and(|name| files.clone().any(|file| is_temporary(name, Some(file))));
        let path = entry.path();
        if stale && entry.file_type().at(&path)?.is_file() {
            std::fs::remove_file(&path).at(&path)?;
        }
    }
    Ok(())
}

/// Refuses a directory in which files of other programs have the names of an export's files.
///
/// A manifest of Goldsmith shows that all of them are from an export. Without one, files of checksums are if they list only
/// `artifacts`. `reports` cannot be: they are written after the manifest.
pub(super) fn check(dir: &Path, artifacts: &[String], reports: &[&str]) -> Result<(), ExportError> {
    let foreign = |name: &str| Err(ExportError::Foreign { path: dir.join(name) });
    let there = |name: &str| dir.join(name).symlink_metadata().is_ok();
    let known = Summary::read(dir);
    if known.is_none() && there(manifest::FILE) {
        return foreign(manifest::FILE);
    }
    if let Some(report) = reports.iter().find(|report| known.is_none() && there(report)) {
        return foreign(report);
    }
    let before = known.iter().flat_map(|summary| &summary.artifacts).map(|artifact| artifact.file.clone());
    let ours: Vec<_> = before.chain(artifacts.iter().cloned()).collect();
    match Checksum::ALL.into_iter().find(|checksum| there(checksum.file()) && !lists_only(dir, *checksum, &ours)) {
        Some(checksum) => foreign(checksum.file()),
        None => Ok(()),
    }
}

/// Returns whether a file of checksums lists only these files.
fn lists_only(dir: &Path, checksum: Checksum, files: &[String]) -> bool {
    let Ok(text) = std::fs::read_to_string(dir.join(checksum.file())) else { return false };
    let listed = |line: &str| Some(line.split_once("  ")?.1.to_owned());
    text.lines().all(|line| listed(line).is_some_and(|file| files.contains(&file)))
}
