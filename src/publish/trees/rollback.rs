//! Rolls an image in a tree of files back to the version before, and removes leftovers of killed runs.

use std::sync::Arc;
use std::time::Duration;

use super::error::TreeError;
use super::image_version::ROLLED_BACK;
use super::index::{self, Index};
use super::sign::Signer;
use super::storage::{Storage, rolled_back, versions};
use crate::event::Reporter;
use crate::interrupt::Interrupt;

/// Points `latest` of an image to the version before, and records that the present version was rolled back.
///
/// # Errors
///
/// If the tree cannot be changed; then everything is as it was.
pub(super) fn roll_back(
    storage: &dyn Storage,
    image: &str,
    signers: &[Signer],
    reporter: &Arc<dyn Reporter>,
    interrupt: &Interrupt,
) -> Result<Option<RollbackResult>, TreeError> {
    let _lock = storage.lock(interrupt)?;
    index::check(storage, signers)?;
    let Some(from) = storage.latest(image)? else { return Ok(None) };
    let (versions, mut gone) = (versions(storage, image)?, rolled_back(storage, image)?);
    let good = |version: &&String| **version < from && !gone.contains(*version);
    let Some(to) = versions.iter().rfind(good).cloned() else { return Ok(Some(RollbackResult { from, to: None })) };
    let path = format!("{image}/{ROLLED_BACK}");
    let before = storage.read(&path)?;
    // Removed versions need no record.
    gone.retain(|version| versions.contains(version));
    gone.insert(from.clone());
    let list: String = gone.iter().flat_map(|version| [version, "\n"]).collect();
    let index = Index { storage, signers, reporter, interrupt };
    let done = storage.write(&path, list.as_bytes()).and_then(|()| storage.point(image, Some(&to)));
    if let Err(source) = done.and_then(|()| index.write(|_, _| true)) {
        let undone = match &before {
            Some(content) => storage.write(&path, content),
            None => storage.remove(&path),
        };
        return Err(match undone.and_then(|()| storage.point(image, Some(&from))) {
            Ok(()) => source,
            Err(undo) => TreeError::Half { place: storage.place(), undo: Box::new(undo), source: Box::new(source) },
        });
    }
    Ok(Some(RollbackResult { from, to: Some(to) }))
}

/// The result of a rollback.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct RollbackResult {
    /// The version that `latest` pointed to.
    pub from: String,
    /// The version that `latest` points to now; `None` if there is no earlier one, and nothing was changed.
    pub to: Option<String>,
}

/// Removes leftovers of killed runs of an image that are at least this old, and returns their names. A dry run only returns them.
///
/// # Errors
///
/// If the tree cannot be read or changed.
pub(super) fn clean_up(
    storage: &dyn Storage,
    image: &str,
    older_than: Duration,
    dry_run: bool,
    interrupt: &Interrupt,
) -> Result<Vec<String>, TreeError> {
    // A lock would make the place.
    if dry_run && storage.folders("")?.is_empty() {
        return Ok(Vec::new());
    }
    let _lock = storage.lock(interrupt)?;
    storage.remove_leftovers(image, older_than, dry_run)
}
