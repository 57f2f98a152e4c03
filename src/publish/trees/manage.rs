//! Management of the images in a tree of files: lists them, promotes one, and deletes versions.

use std::collections::BTreeSet;
use std::path::PathBuf;
use std::sync::Arc;

use serde::{Serialize, Serializer};

use super::directory::Directory;
use super::error::TreeError;
use super::image_version::{ROLLED_BACK, STREAMS};
use super::index::{self, Index};
use super::s3::Store;
use super::sign::Signer;
use super::storage::{Storage, rolled_back, versions};
use crate::bucket::{Credentials, Place};
use crate::event::Reporter;
use crate::export::manifest::{self, Summary};
use crate::interrupt::Interrupt;

/// A tree of files with the images that were published there.
pub struct Tree {
    storage: Box<dyn Storage>,
    reporter: Arc<dyn Reporter>,
    interrupt: Interrupt,
    signers: Vec<Signer>,
}

/// A version of an image in a tree.
#[derive(Debug, Clone, Serialize)]
pub struct TreeImage {
    /// Name of the image and of the version, as `gold/20261121T191500Z`.
    pub id: String,
    /// Name of the image.
    pub name: String,
    /// Name of the version: the time when its disk was made.
    pub version: String,
    /// Path or address of the version's folder.
    pub place: String,
    /// Whether `latest` points to it.
    pub promoted: bool,
    /// Whether it was rolled back.
    pub rolled_back: bool,
    /// Sum of the sizes of its files, in bytes.
    pub size: u64,
    /// Its manifest; `None` if that is not understood.
    #[serde(serialize_with = "excerpt", rename = "manifest")]
    pub summary: Option<Summary>,
}

/// Writes the part of a manifest that a list needs.
fn excerpt<S: Serializer>(summary: &Option<Summary>, serializer: S) -> Result<S::Ok, S::Error> {
    let part = summary.as_ref().map(|summary| {
        serde_json::json!({
            "arch": summary.arch,
            "distro": summary.distro,
            "layer": summary.layer,
            "created": summary.created,
            "artifacts": summary.artifacts,
            "verified": summary.verified,
        })
    });
    part.serialize(serializer)
}

impl TreeImage {
    /// Returns whether the image has passed its checks; `None` if it was not verified.
    pub fn passed(&self) -> Option<bool> {
        Some(self.summary.as_ref()?.verified?.passed)
    }
}

/// What a promotion may do.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Allowed {
    /// It may replace a version that was built later.
    pub older: bool,
    /// It may promote a version that was rolled back.
    pub rolled_back: bool,
    /// It may promote a version that has not passed its checks.
    pub unverified: bool,
}

/// What a promotion has done.
#[derive(Debug, Clone, Serialize)]
pub struct Promoted {
    /// The promoted version.
    pub id: String,
    /// The version that was promoted before, if it was another one.
    pub retired: Option<String>,
    /// Whether the version was promoted already, so that nothing changed.
    pub before: bool,
}

/// An error of managing the images of a tree. Unless it says otherwise, nothing has changed.
#[derive(Debug, thiserror::Error)]
pub enum ManageError {
    /// The directory is missing.
    #[error("there is no directory {}", .0.display())]
    NoDirectory(PathBuf),
    /// No image has the name.
    #[error("there is no image `{name}` in {place}")]
    None {
        /// The name.
        name: String,
        /// Name of the tree, for people.
        place: String,
    },
    /// Several versions have the name.
    #[error("`{name}` has {} versions in {place}", versions.len())]
    Several {
        /// The name.
        name: String,
        /// Name of the tree, for people.
        place: String,
        /// The versions.
        versions: Vec<TreeImage>,
    },
    /// The version to delete is promoted.
    #[error("{0} is promoted: `latest` leads to it")]
    Promoted(String),
    /// The version to promote was rolled back.
    #[error("{0} was rolled back")]
    RolledBack(String),
    /// The version to promote was not verified, or has failed.
    #[error("{0} has not passed its checks")]
    NotVerified(String),
    /// The promoted version was built later.
    #[error("{newer} is newer than {id}, and is promoted")]
    Older {
        /// The version to promote.
        id: String,
        /// The promoted version.
        newer: String,
    },
    /// The tree cannot be read or changed.
    #[error(transparent)]
    Tree(#[from] TreeError),
}

impl std::fmt::Debug for Tree {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Tree").field("place", &self.storage.place()).finish_non_exhaustive()
    }
}

impl Tree {
    /// Returns the tree in a directory.
    ///
    /// # Errors
    ///
    /// If there is no such directory.
    pub fn directory(
        path: impl Into<PathBuf>,
        reporter: Arc<dyn Reporter>,
        interrupt: Interrupt,
    ) -> Result<Self, ManageError> {
        let path = path.into();
        if !path.is_dir() {
            return Err(ManageError::NoDirectory(path));
        }
        Ok(Self { storage: Box::new(Directory::new(path)), reporter, interrupt, signers: Vec::new() })
    }

    /// Returns the tree in a bucket. It sends no request.
    ///
    /// # Errors
    ///
    /// If the address is not valid.
    pub fn bucket(
        place: Place,
        credentials: Credentials,
        reporter: Arc<dyn Reporter>,
        interrupt: Interrupt,
    ) -> Result<Self, ManageError> {
        let store = Store::new(place, credentials).map_err(TreeError::from)?;
        Ok(Self { storage: Box::new(store), reporter, interrupt, signers: Vec::new() })
    }

    /// Signs a changed index with a key.
    #[must_use]
    pub fn signed(mut self, signer: Signer) -> Self {
        self.signers.push(signer);
        self
    }

    /// Returns the name of the tree, for people.
    pub fn place(&self) -> String {
        self.storage.place()
    }

    /// Lists all versions of all images, or of one image, the newest first.
    ///
    /// # Errors
    ///
    /// If the tree cannot be read.
    pub fn list(&self, name: Option<&str>) -> Result<Vec<TreeImage>, ManageError> {
        let storage = &*self.storage;
        let mut found = Vec::new();
        for name in storage.folders("")?.into_iter().filter(|folder| name.is_none_or(|name| name == folder)) {
            if name == STREAMS {
                continue;
            }
            let (latest, gone) = (storage.latest(&name)?, rolled_back(storage, &name)?);
            for version in versions(storage, &name)? {
                let id = format!("{name}/{version}");
                let summary = storage.read(&format!("{id}/{}", manifest::FILE))?;
                found.push(TreeImage {
                    place: format!("{}/{id}", storage.place()),
                    name: name.clone(),
                    promoted: latest.as_ref() == Some(&version),
                    rolled_back: gone.contains(&version),
                    size: storage.files(&id)?.values().sum(),
                    summary: summary.and_then(|bytes| serde_json::from_slice(&bytes).ok()),
                    version,
                    id,
                });
            }
        }
        found.sort_by(|one, other| other.version.cmp(&one.version).then_with(|| one.name.cmp(&other.name)));
        Ok(found)
    }

    /// Finds a version by its id, or an image that has only one version by its name.
    ///
    /// # Errors
    ///
    /// If there is none, or several.
    pub fn find(&self, name: &str) -> Result<TreeImage, ManageError> {
        let (image, version) = name.split_once('/').map_or((name, None), |(image, version)| (image, Some(version)));
        let mut found = self.list(Some(image))?;
        found.retain(|image| version.is_none_or(|version| image.version == version));
        let (name, place) = (name.to_owned(), self.place());
        match found.len() {
            0 => Err(ManageError::None { name, place }),
            1 => Ok(found.remove(0)),
            _ => Err(ManageError::Several { name, place, versions: found }),
        }
    }

    /// Points `latest` to a version, and writes the index. A version that was rolled back no longer counts as such. If a part
    /// fails, everything is undone.
    ///
    /// # Errors
    ///
    /// See [`ManageError`].
    pub fn promote(&self, name: &str, allowed: Allowed) -> Result<Promoted, ManageError> {
        // A wrong name is told before a lock is made.
        self.find(name)?;
        index::check(&*self.storage, &self.signers)?;
        let _lock = self.storage.lock(&self.interrupt)?;
        let image = self.find(name)?;
        let latest = self.storage.latest(&image.name)?;
        let id = |version: &String| format!("{}/{version}", image.name);
        if image.promoted {
            return Ok(Promoted { id: image.id, retired: None, before: true });
        }
        if image.rolled_back && !allowed.rolled_back {
            return Err(ManageError::RolledBack(image.id));
        }
        if image.passed() != Some(true) && !allowed.unverified {
            return Err(ManageError::NotVerified(image.id));
        }
        // Names of versions are times, so they sort by age.
        if let Some(newer) = latest.as_ref().filter(|latest| **latest > image.version && !allowed.older) {
            return Err(ManageError::Older { newer: id(newer), id: image.id });
        }
        let path = format!("{}/{ROLLED_BACK}", image.name);
        let before = self.storage.read(&path)?;
        let mut gone = rolled_back(&*self.storage, &image.name)?;
        let done = if gone.remove(&image.version) { self.record(&path, &gone) } else { Ok(()) };
        let done = done.and_then(|()| self.storage.point(&image.name, Some(&image.version)));
        if let Err(source) = done.and_then(|()| self.index().write(|_, _| true)) {
            let undone = match &before {
                Some(content) => self.storage.write(&path, content),
                None => Ok(()),
            };
            let undone = undone.and_then(|()| self.storage.point(&image.name, latest.as_deref()));
            return Err(self.half(source, undone.and_then(|()| self.index().write(|_, _| true))));
        }
        Ok(Promoted { retired: latest.as_ref().map(id), id: image.id, before: false })
    }

    /// Deletes versions, all or none of which must be there: first from the index, then their files. A dry run only returns them.
    /// With `promoted`, a version to which `latest` points is deleted too, and nothing of its image is promoted any more.
    ///
    /// # Errors
    ///
    /// See [`ManageError`]. If removing files fails, the versions that are left are no longer in the index.
    pub fn delete(&self, names: &[String], promoted: bool, dry_run: bool) -> Result<Vec<TreeImage>, ManageError> {
        let images = self.deletable(names, promoted)?;
        index::check(&*self.storage, &self.signers)?;
        if dry_run {
            return Ok(images);
        }
        let _lock = self.storage.lock(&self.interrupt)?;
        let images = self.deletable(names, promoted)?;
        let ids: BTreeSet<_> = images.iter().map(|image| image.id.as_str()).collect();
        let pointed: Vec<_> = images.iter().filter(|image| image.promoted).collect();
        let done = pointed.iter().try_for_each(|image| self.storage.point(&image.name, None));
        let stays = |image: &str, version: &str| !ids.contains(format!("{image}/{version}").as_str());
        if let Err(source) = done.and_then(|()| self.index().write(stays)) {
            let undone = pointed.iter().try_for_each(|image| self.storage.point(&image.name, Some(&image.version)));
            return Err(self.half(source, undone.and_then(|()| self.index().write(|_, _| true))));
        }
        for image in &images {
            // The record of rollbacks would keep the folder of an image that has no version any more.
            if versions(&*self.storage, &image.name)? == [image.version.as_str()] {
                self.storage.remove(&format!("{}/{ROLLED_BACK}", image.name))?;
            }
            self.storage.discard(&image.id)?;
        }
        Ok(images)
    }

    /// Finds versions, each once, and refuses a promoted one unless that is wanted.
    fn deletable(&self, names: &[String], promoted: bool) -> Result<Vec<TreeImage>, ManageError> {
        let mut found: Vec<TreeImage> = Vec::new();
        for name in names {
            let image = self.find(name)?;
            if image.promoted && !promoted {
                return Err(ManageError::Promoted(image.id));
            }
            // No version has folders: what is in them is somebody else's.
            if let Some(folder) = self.storage.folders(&image.id)?.first() {
                return Err(TreeError::Foreign { path: PathBuf::from(format!("{}/{folder}", image.place)) }.into());
            }
            if !found.iter().any(|other| other.id == image.id) {
                found.push(image);
            }
        }
        Ok(found)
    }

    fn index(&self) -> Index<'_> {
        Index { storage: &*self.storage, signers: &self.signers, reporter: &self.reporter, interrupt: &self.interrupt }
    }

    /// Writes the record of versions that were rolled back.
    fn record(&self, path: &str, versions: &BTreeSet<String>) -> Result<(), TreeError> {
        if versions.is_empty() {
            return self.storage.remove(path);
        }
        let list: String = versions.iter().flat_map(|version| [version, "\n"]).collect();
        self.storage.write(path, list.as_bytes())
    }

    /// Returns the error of a change that was undone, or could not be.
    fn half(&self, source: TreeError, undone: Result<(), TreeError>) -> ManageError {
        match undone {
            Ok(()) => source.into(),
            Err(undo) => TreeError::Half { place: self.place(), undo: Box::new(undo), source: Box::new(source) }.into(),
        }
    }
}
