//! Publishing of a version to a tree, as a transaction.

use std::collections::{BTreeMap, BTreeSet};
use std::num::NonZeroUsize;
use std::sync::Arc;
use std::time::{Duration, Instant};

use super::error::TreeError;
use super::image_version::{Content, Entry, ImageVersion};
use super::index::{self, Index};
use super::sign::Signer;
use super::storage::{Storage, rolled_back, versions};
use crate::event::{Event, Reporter};
use crate::export::manifest;
use crate::fsx::FileLock;
use crate::image::digests::Checksum;
use crate::interrupt::Interrupt;

/// Age from which incomplete files are leftovers, and not those of a run in progress.
const STALE: Duration = Duration::from_secs(24 * 60 * 60);

/// The options of publishing to a tree.
#[derive(Debug, Default)]
pub(super) struct TreeOptions {
    /// Number of versions of the image to keep; all if `None`.
    pub keep: Option<NonZeroUsize>,
    /// Whether the version may replace one that was built later.
    pub allow_older: bool,
    /// Keys that sign the checksums, and the index if they can.
    pub signers: Vec<Signer>,
}

/// A version that is in a tree.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Placed {
    /// Name of the tree, for people.
    pub place: String,
    /// Path of the version's folder.
    pub folder: String,
    /// Whether the version was there already.
    pub before: bool,
    /// Whether `latest` pointed to another version before.
    pub promoted: bool,
    /// Whether the version was rolled back before, and is therefore not promoted.
    pub rolled_back: bool,
    /// Versions that were removed because they were too many.
    pub removed: Vec<String>,
}

/// Publishes a version, points `latest` to it and removes old versions. If a part fails, everything is undone.
///
/// # Errors
///
/// See [`TreeError`].
pub(super) fn publish(
    storage: &dyn Storage,
    image_version: &ImageVersion,
    wanted: &TreeOptions,
    reporter: &Arc<dyn Reporter>,
    interrupt: &Interrupt,
) -> Result<Placed, TreeError> {
    let mut publication = Publication::upload(storage, image_version, wanted, reporter, interrupt)?;
    match publication.promote(interrupt) {
        Ok(()) => Ok(publication.finish()),
        Err(source) => match publication.roll_back() {
            Ok(()) => Err(source),
            Err(undo) => {
                Err(TreeError::Half { place: storage.place(), undo: Box::new(undo), source: Box::new(source) })
            }
        },
    }
}

/// A version on its way into a tree, step by step. The lock keeps other runs out, if the tree has locks.
pub(super) struct Publication<'a> {
    storage: &'a dyn Storage,
    image_version: &'a ImageVersion,
    wanted: &'a TreeOptions,
    reporter: Arc<dyn Reporter>,
    /// The version that `latest` pointed to before.
    previous: Option<String>,
    /// Whether the version was there already, with this content.
    before: bool,
    /// Whether the version was there already, with any content.
    replaced: bool,
    /// Versions that were rolled back.
    rolled_back: BTreeSet<String>,
    /// Versions to remove at the end.
    obsolete: Vec<String>,
    _lock: Option<FileLock>,
}

impl std::fmt::Debug for Publication<'_> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let mut shown = f.debug_struct("Publication");
        shown
            .field("place", &self.storage.place())
            .field("folder", &self.image_version.folder())
            .finish_non_exhaustive()
    }
}

impl<'a> Publication<'a> {
    /// Copies the files to the tree, unless they are there. `latest` and the index do not have them yet.
    ///
    /// # Errors
    ///
    /// If copying fails; then no part of the version is left.
    pub(super) fn upload(
        storage: &'a dyn Storage,
        image_version: &'a ImageVersion,
        wanted: &'a TreeOptions,
        reporter: &Arc<dyn Reporter>,
        interrupt: &Interrupt,
    ) -> Result<Self, TreeError> {
        let lock = storage.lock(interrupt)?;
        index::check(storage, &wanted.signers)?;
        storage.remove_leftovers(&image_version.image, STALE, false)?;
        let folder = image_version.folder();
        let Present { previous, rolled_back, found, before } = Present::of(storage, image_version, wanted)?;
        if !before {
            let files = signed(image_version, &wanted.signers, interrupt)?;
            let activity = format!("copy {folder} to {}", storage.place());
            let (started, total) = (Instant::now(), Some(image_version.size()));
            reporter.report(&Event::ActivityStarted { activity: activity.clone() });
            let progress = |done| reporter.report(&Event::Progress { activity: activity.clone(), done, total });
            storage.put(&folder, &files, &progress, interrupt)?;
            reporter.report(&Event::ActivityFinished { activity: activity.clone(), elapsed: started.elapsed() });
        }
        Ok(Self {
            storage,
            image_version,
            wanted,
            reporter: Arc::clone(reporter),
            previous,
            before,
            rolled_back,
            replaced: found.contains_key(manifest::FILE),
            obsolete: Vec::new(),
            _lock: lock,
        })
    }

    /// Points `latest` to the version, unless it was rolled back, and writes the index without the versions to remove.
    ///
    /// # Errors
    ///
    /// If that fails; the caller must then call [`Self::roll_back`].
    pub(super) fn promote(&mut self, interrupt: &Interrupt) -> Result<(), TreeError> {
        let ImageVersion { image, version, .. } = self.image_version;
        if self.promotes() {
            self.storage.point(image, Some(version))?;
        }
        if let Some(keep) = self.wanted.keep {
            let latest = self.storage.latest(image)?;
            self.obsolete = obsolete(versions(self.storage, image)?, latest.as_ref(), &self.rolled_back, keep);
        }
        self.index(interrupt)
    }

    /// Returns whether `latest` must change to the version.
    fn promotes(&self) -> bool {
        let version = &self.image_version.version;
        self.previous.as_ref() != Some(version) && !self.rolled_back.contains(version)
    }

    /// Removes the old versions. Failures become warnings, and the next run tries again.
    pub(super) fn finish(self) -> Placed {
        let (mut removed, image) = (Vec::new(), &self.image_version.image);
        for version in &self.obsolete {
            match self.storage.discard(&format!("{image}/{version}")) {
                Ok(()) => removed.push(version.clone()),
                Err(error) => {
                    let message = format!("cannot remove {image}/{version} from {}: {error}", self.storage.place());
                    self.reporter.report(&Event::Warning { message });
                }
            }
        }
        Placed {
            place: self.storage.place(),
            folder: self.image_version.folder(),
            before: self.before,
            promoted: self.promotes(),
            rolled_back: self.rolled_back.contains(&self.image_version.version),
            removed,
        }
    }

    /// Undoes everything. A version that was there with other content keeps its new content.
    ///
    /// # Errors
    ///
    /// If the tree cannot be changed.
    pub(super) fn roll_back(mut self) -> Result<(), TreeError> {
        self.obsolete.clear();
        let image = &self.image_version.image;
        if self.promotes() {
            self.storage.point(image, self.previous.as_deref())?;
        }
        if !self.before && !self.replaced {
            self.storage.discard(&self.image_version.folder())?;
        }
        self.index(&Interrupt::new())
    }

    /// Writes the index of the versions that stay.
    fn index(&self, interrupt: &Interrupt) -> Result<(), TreeError> {
        let index = Index { storage: self.storage, signers: &self.wanted.signers, reporter: &self.reporter, interrupt };
        index.write(|image, version| {
            image != self.image_version.image || !self.obsolete.iter().any(|gone| gone == version)
        })
    }
}

/// What is in a tree before a version is published.
struct Present {
    /// The version that `latest` points to.
    previous: Option<String>,
    /// Versions that were rolled back.
    rolled_back: BTreeSet<String>,
    /// Files of the version that are there, with their sizes.
    found: BTreeMap<String, u64>,
    /// Whether the version is there, with this content.
    before: bool,
}

impl Present {
    fn of(storage: &dyn Storage, image_version: &ImageVersion, wanted: &TreeOptions) -> Result<Self, TreeError> {
        let previous = storage.latest(&image_version.image)?;
        let rolled_back = rolled_back(storage, &image_version.image)?;
        // Names of versions are times, so they sort by age. A version that was rolled back is not promoted anyway.
        if let Some(newer) = previous.as_ref().filter(|previous| **previous > image_version.version)
            && !wanted.allow_older
            && !rolled_back.contains(&image_version.version)
        {
            let (place, image, version) = (storage.place(), image_version.image.clone(), image_version.version.clone());
            return Err(TreeError::Newer { place, image, version, newer: newer.clone() });
        }
        let found = storage.files(&image_version.folder())?;
        let before = same(storage, image_version, &wanted.signers, &found)?;
        Ok(Self { previous, rolled_back, found, before })
    }
}

/// Returns what [`publish`] would do, and changes nothing.
///
/// # Errors
///
/// See [`TreeError`].
pub(super) fn dry_run(
    storage: &dyn Storage,
    image_version: &ImageVersion,
    wanted: &TreeOptions,
) -> Result<Placed, TreeError> {
    index::check(storage, &wanted.signers)?;
    let Present { previous, rolled_back, before, .. } = Present::of(storage, image_version, wanted)?;
    let ImageVersion { image, version, .. } = image_version;
    let rolled = rolled_back.contains(version);
    let mut removed = Vec::new();
    if let Some(keep) = wanted.keep {
        let latest = if rolled { previous.as_ref() } else { Some(version) };
        let mut versions = versions(storage, image)?;
        if !versions.contains(version) {
            versions.push(version.clone());
            versions.sort_unstable();
        }
        removed = obsolete(versions, latest, &rolled_back, keep);
    }
    let promoted = !rolled && previous.as_ref() != Some(version);
    Ok(Placed {
        place: storage.place(),
        folder: image_version.folder(),
        before,
        promoted,
        rolled_back: rolled,
        removed,
    })
}

/// Returns the versions that are too many, of all versions in the order of their age.
fn obsolete(
    mut versions: Vec<String>,
    latest: Option<&String>,
    rolled_back: &BTreeSet<String>,
    keep: NonZeroUsize,
) -> Vec<String> {
    versions.retain(|other| Some(other) != latest);
    // The promoted version stays, and the youngest others. Versions that were rolled back go first.
    versions.sort_by_key(|version| !rolled_back.contains(version));
    let gone = versions.len().saturating_sub(keep.get() - 1);
    versions.truncate(gone);
    // Versions that were built later than the promoted one stay, whatever has promoted an older one.
    versions.retain(|version| rolled_back.contains(version) || Some(version) <= latest);
    versions
}

/// Returns whether the version is there, with the same content and valid signatures of all keys.
fn same(
    storage: &dyn Storage,
    image_version: &ImageVersion,
    signers: &[Signer],
    found: &BTreeMap<String, u64>,
) -> Result<bool, TreeError> {
    let folder = image_version.folder();
    for entry in &image_version.files {
        if found.get(&entry.name) != Some(&entry.size) {
            return Ok(false);
        }
        if let Content::Made(content) = &entry.content
            && storage.read(&format!("{folder}/{}", entry.name))?.as_ref() != Some(content)
        {
            return Ok(false);
        }
    }
    for signer in signers {
        let signature = storage.read(&format!("{folder}/{}", signature_of(signer)))?;
        let valid = |signature: Vec<u8>| signer.verifies(image_version.sums(), &signature);
        if !signature.map(valid).transpose()?.unwrap_or(false) {
            return Ok(false);
        }
    }
    Ok(true)
}

/// Returns the name of the signature of the checksums.
fn signature_of(signer: &Signer) -> String {
    format!("{}.{}", Checksum::Sha256.file(), signer.ending())
}

/// Returns all files of a version, with signatures. The manifest stays the last.
fn signed(image_version: &ImageVersion, signers: &[Signer], interrupt: &Interrupt) -> Result<Vec<Entry>, TreeError> {
    let mut files = image_version.files.clone();
    for signer in signers {
        let signature = signer.sign(Checksum::Sha256.file(), image_version.sums(), interrupt)?;
        files.insert(files.len().saturating_sub(1), Entry::made(signature_of(signer), signature));
    }
    Ok(files)
}
