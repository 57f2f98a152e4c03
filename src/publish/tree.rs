//! Trees of files as targets: what people get who download images. Only how files are kept differs between them.
//!
//! ```text
//! NAME/20261121T191500Z/   the artifacts, SHA256SUMS, its signatures, manifest.json
//! NAME/latest              the version that was published last
//! streams/v1/              an index of all images
//! ```
//!
//! A version is there if it has a manifest. The index is made of the versions that are there, so it is never out of step.

use std::collections::{BTreeMap, BTreeSet};
use std::num::NonZeroUsize;
use std::sync::Arc;
use std::time::{Duration, Instant};

use super::edition::{Content, Edition, EditionError, Entry, made_at};
use super::index::Index;
use super::rollback::rolled_back;
use super::s3::S3Error;
use super::sign::{SignError, Signer};
use crate::digest::Sha256;
use crate::event::{Event, Reporter};
use crate::export::manifest;
use crate::fsx::{FileLock, PathError};
use crate::image::digests::Checksum;
use crate::interrupt::Interrupt;
use crate::units::ByteSize;

/// How old something half must be to be no other run's at this moment.
const STALE: Duration = Duration::from_secs(24 * 60 * 60);

/// A place that keeps files under paths. Paths have `/` between their parts and no `/` before the first one.
pub trait Shelf {
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

/// What is wanted of a tree.
#[derive(Debug, Default)]
pub struct Wanted {
    /// How many versions of the image stay; all if it is not said.
    pub keep: Option<NonZeroUsize>,
    /// Keys that sign the checksums, and the index if they can.
    pub signers: Vec<Signer>,
}

/// A version that is in a tree.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Placed {
    /// What people call the tree.
    pub place: String,
    /// Path of the version's folder.
    pub folder: String,
    /// Whether it was there already.
    pub before: bool,
    /// Whether `latest` led to another version before.
    pub promoted: bool,
    /// Whether it was rolled back before, and so is not promoted.
    pub rolled_back: bool,
    /// Versions that were removed because of it.
    pub removed: Vec<String>,
}

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
    /// The user asked to stop.
    #[error("interrupted")]
    Interrupted,
}

/// Puts an edition into a tree, lets `latest` lead to it, and removes what is older than wanted: all of it or nothing.
///
/// # Errors
///
/// See [`TreeError`].
pub fn publish(
    shelf: &dyn Shelf,
    edition: &Edition,
    wanted: &Wanted,
    reporter: &Arc<dyn Reporter>,
    interrupt: &Interrupt,
) -> Result<Placed, TreeError> {
    let mut publication = Publication::upload(shelf, edition, wanted, reporter, interrupt)?;
    match publication.promote(interrupt) {
        Ok(()) => Ok(publication.finish()),
        Err(source) => match publication.roll_back() {
            Ok(()) => Err(source),
            Err(undo) => Err(TreeError::Half { place: shelf.place(), undo: Box::new(undo), source: Box::new(source) }),
        },
    }
}

/// An edition on its way into a tree, step by step. Nobody else changes the tree meanwhile, where that can be known.
pub struct Publication<'a> {
    shelf: &'a dyn Shelf,
    edition: &'a Edition,
    wanted: &'a Wanted,
    reporter: Arc<dyn Reporter>,
    /// Where `latest` led to before.
    previous: Option<String>,
    /// Whether the version was there, with this content.
    before: bool,
    /// Whether the version was there at all.
    replaced: bool,
    /// Versions that were rolled back.
    rolled_back: BTreeSet<String>,
    /// Versions that go when all is well.
    obsolete: Vec<String>,
    _lock: Option<FileLock>,
}

impl std::fmt::Debug for Publication<'_> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let mut shown = f.debug_struct("Publication");
        shown.field("place", &self.shelf.place()).field("folder", &self.edition.folder()).finish_non_exhaustive()
    }
}

impl<'a> Publication<'a> {
    /// Puts the files where they belong, unless they are there. `latest` and the index do not know of them yet.
    ///
    /// # Errors
    ///
    /// If that fails; then nothing is left of them.
    pub fn upload(
        shelf: &'a dyn Shelf,
        edition: &'a Edition,
        wanted: &'a Wanted,
        reporter: &Arc<dyn Reporter>,
        interrupt: &Interrupt,
    ) -> Result<Self, TreeError> {
        let lock = shelf.lock(interrupt)?;
        shelf.tidy(&edition.image, STALE)?;
        let folder = edition.folder();
        let previous = shelf.latest(&edition.image)?;
        let rolled_back = rolled_back(shelf, &edition.image)?;
        let found = shelf.files(&folder)?;
        let before = same(shelf, edition, &wanted.signers, &found)?;
        if !before {
            let files = signed(edition, &wanted.signers, interrupt)?;
            let activity = format!("copy {folder} to {}", shelf.place());
            let (started, total) = (Instant::now(), Some(edition.size()));
            reporter.report(&Event::ActivityStarted { activity: activity.clone() });
            let progress = |done| reporter.report(&Event::Progress { activity: activity.clone(), done, total });
            shelf.put(&folder, &files, &progress, interrupt)?;
            reporter.report(&Event::ActivityFinished { activity: activity.clone(), elapsed: started.elapsed() });
        }
        Ok(Self {
            shelf,
            edition,
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

    /// Lets `latest` and the index lead to the version, unless it was rolled back. The index has no versions any more that
    /// are to go.
    ///
    /// # Errors
    ///
    /// If that fails: then [`Self::roll_back`] is needed.
    pub fn promote(&mut self, interrupt: &Interrupt) -> Result<(), TreeError> {
        let Edition { image, version, .. } = self.edition;
        if self.promotes() {
            self.shelf.point(image, Some(version))?;
        }
        if let Some(keep) = self.wanted.keep {
            let latest = self.shelf.latest(image)?;
            let mut versions = versions(self.shelf, image)?;
            versions.retain(|other| Some(other) != latest.as_ref());
            // The youngest stay, and the promoted one, however old it is. What was rolled back goes first.
            versions.sort_by_key(|version| !self.rolled_back.contains(version));
            let gone = versions.len().saturating_sub(keep.get() - 1);
            self.obsolete = versions.drain(..gone).collect();
        }
        self.index(interrupt)
    }

    /// Whether `latest` is to lead to the version, and did not before.
    fn promotes(&self) -> bool {
        let version = &self.edition.version;
        self.previous.as_ref() != Some(version) && !self.rolled_back.contains(version)
    }

    /// Removes the versions that are older than wanted. What cannot be removed is told, and the next run tries it again.
    pub fn finish(self) -> Placed {
        let (mut removed, image) = (Vec::new(), &self.edition.image);
        for version in &self.obsolete {
            match self.shelf.discard(&format!("{image}/{version}")) {
                Ok(()) => removed.push(version.clone()),
                Err(error) => {
                    let message = format!("cannot remove {image}/{version} from {}: {error}", self.shelf.place());
                    self.reporter.report(&Event::Warning { message });
                }
            }
        }
        Placed {
            place: self.shelf.place(),
            folder: self.edition.folder(),
            before: self.before,
            promoted: self.promotes(),
            rolled_back: self.rolled_back.contains(&self.edition.version),
            removed,
        }
    }

    /// Brings the tree back to what it was. A version that was there with other content stays as it is now.
    ///
    /// # Errors
    ///
    /// If that fails.
    pub fn roll_back(mut self) -> Result<(), TreeError> {
        self.obsolete.clear();
        let image = &self.edition.image;
        if self.promotes() {
            self.shelf.point(image, self.previous.as_deref())?;
        }
        if !self.before && !self.replaced {
            self.shelf.discard(&self.edition.folder())?;
        }
        self.index(&Interrupt::new())
    }

    /// Writes the index of what is there and stays.
    fn index(&self, interrupt: &Interrupt) -> Result<(), TreeError> {
        let index = Index { shelf: self.shelf, signers: &self.wanted.signers, reporter: &self.reporter, interrupt };
        index.write(|image, version| image != self.edition.image || !self.obsolete.iter().any(|gone| gone == version))
    }
}

/// Whether an edition is there, with the content it has now and signatures of all keys.
fn same(
    shelf: &dyn Shelf,
    edition: &Edition,
    signers: &[Signer],
    found: &BTreeMap<String, u64>,
) -> Result<bool, TreeError> {
    let folder = edition.folder();
    for entry in &edition.files {
        if found.get(&entry.name) != Some(&entry.size) {
            return Ok(false);
        }
        if let Content::Made(content) = &entry.content
            && shelf.read(&format!("{folder}/{}", entry.name))?.as_ref() != Some(content)
        {
            return Ok(false);
        }
    }
    for signer in signers {
        let signature = shelf.read(&format!("{folder}/{}", signature_of(signer)))?;
        let valid = |signature: Vec<u8>| signer.verifies(edition.sums(), &signature);
        if !signature.map(valid).transpose()?.unwrap_or(false) {
            return Ok(false);
        }
    }
    Ok(true)
}

/// Name of the signature of the checksums.
fn signature_of(signer: &Signer) -> String {
    format!("{}.{}", Checksum::Sha256.file(), signer.ending())
}

/// All files of an edition, with signatures. The manifest stays the last.
fn signed(edition: &Edition, signers: &[Signer], interrupt: &Interrupt) -> Result<Vec<Entry>, TreeError> {
    let mut files = edition.files.clone();
    for signer in signers {
        let signature = signer.sign(Checksum::Sha256.file(), edition.sums(), interrupt)?;
        files.insert(files.len().saturating_sub(1), Entry::made(signature_of(signer), signature));
    }
    Ok(files)
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
