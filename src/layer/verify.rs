//! Finds damaged layers and images, and removes them.

use std::collections::BTreeSet;
use std::fmt;
use std::io::{self, Read};
use std::path::Path;
use std::process::Command;

use serde::Serialize;

use super::backing;
use super::tree::{self, DISK, KEY, META, Tree};
use super::{LayerKey, LayerMeta, Store, StoreError};
use crate::digest::Sha256;
use crate::fsx::IoContext as _;
use crate::interrupt::Interrupt;
use crate::process::{self, ProcessError};

/// Exit status of `qemu-img check` for leaked clusters, which are no damage.
const ONLY_LEAKS: i32 = 3;

/// The damaged object.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum Subject {
    /// A layer.
    Layer(LayerKey),
    /// A base image, by the name of its file.
    Image(String),
}

/// A damaged layer or image.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Finding {
    /// The damaged object.
    pub subject: Subject,
    /// The damage.
    pub problem: Problem,
}

/// A kind of damage.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, thiserror::Error)]
#[serde(rename_all = "kebab-case")]
pub enum Problem {
    /// `layer.json` cannot be read, or the disk is missing or has another size.
    #[error("layer.json is damaged, or disk.qcow2 is missing or has another size than it records")]
    Incomplete,
    /// The parent layer or base image is missing, or is not the one that the layer was made on.
    #[error("its parent layer or base image is missing, damaged or was replaced")]
    Parent,
    /// The content changed.
    #[error("the content has changed: its SHA-256 is {found}")]
    Content {
        /// Digest of the present content.
        found: Sha256,
    },
    /// An extracted file is missing or has changed.
    #[error("{file} beside its disk is missing or has changed")]
    Extra {
        /// Name of the file.
        file: &'static str,
    },
    /// The file is not a valid qcow2 image.
    #[error("qemu-img check: {0}")]
    Structure(String),
    /// The qcow2 header names another backing file than the parent.
    #[error("its backing file is {}", found.as_deref().unwrap_or("missing"))]
    Backing {
        /// Backing file in the qcow2 header.
        found: Option<String>,
    },
    /// `key.json` is missing or does not have the layer's key as digest.
    #[error("key.json does not belong to its key")]
    Ingredients,
}

impl fmt::Display for Finding {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match &self.subject {
            Subject::Layer(key) => write!(f, "layer {}: {}", key.short(), self.problem),
            Subject::Image(name) => write!(f, "image {name}: {}", self.problem),
        }
    }
}

impl Store {
    /// Reads all layers and images, and compares them with their metadata. Reports at most one problem of each layer and image.
    /// It changes nothing, and builds may run at the same time.
    ///
    /// `on_progress` receives the number of bytes that were read so far, and the total.
    pub fn verify(
        &self,
        interrupt: &Interrupt,
        on_progress: &mut dyn FnMut(u64, u64),
    ) -> Result<Vec<Finding>, StoreError> {
        let mut layers = Vec::new();
        for key in self.tree.keys()? {
            let meta = self.tree.layer(&key).join(META);
            // Without layer.json there is no layer: a build is making it, or garbage collection will remove it.
            if meta.try_exists().at(&meta)? && !self.tree.is_locked(&key)? {
                layers.push((key, self.tree.meta(&key)?));
            }
        }
        let mut images = self.tree.image_files()?;
        images.retain(|image| image.sha256.is_some_and(|sha256| tree::is_image_name(&image.name, &sha256)));

        let lengths = layers.iter().flat_map(|(_, meta)| meta).map(|meta| {
            let extras = meta.extras.values().map(|extra| extra.size);
            extras.fold(meta.size, u64::saturating_add)
        });
        let mut total = lengths.sum::<u64>();
        for image in &images {
            total += std::fs::metadata(&image.path).at(&image.path)?.len();
        }
        let mut done = 0;
        let mut digest = |path: &Path| {
            let file = std::fs::File::open(path).at(path)?;
            let watched = Watched { file, interrupt, done: &mut done, total, on_progress: &mut *on_progress };
            match Sha256::of_reader(watched) {
                Err(_) if interrupt.is_raised() => Err(StoreError::Interrupted),
                result => Ok(result.at(path)?),
            }
        };
        let mut findings = Vec::new();
        for image in images {
            let found = digest(&image.path)?;
            if self.tree.image_digest(&image) != Some(found) {
                let subject = Subject::Image(image.name);
                findings.push(Finding { subject, problem: Problem::Content { found } });
            }
        }
        for (key, meta) in layers {
            if let Some(problem) = check(&self.tree, &key, meta, &mut digest)? {
                findings.push(Finding { subject: Subject::Layer(key), problem });
            }
        }
        Ok(findings)
    }

    /// Removes what [`Store::verify`] found, and every layer on top of it. Returns the removed layers. The next build makes the
    /// layers again, or fetches the image again.
    ///
    /// Fails with [`StoreError::Busy`] while another process has the store open.
    pub fn repair(&mut self, findings: &[Finding]) -> Result<Vec<LayerKey>, StoreError> {
        self.alone(|tree| {
            let layers = lost(tree, findings)?;
            for image in damaged_images(findings) {
                let path = tree.images().join(image);
                tree::present(std::fs::remove_file(&path), &path)?;
            }
            for key in &layers {
                tree.remove(key)?;
            }
            Ok(layers)
        })
    }

    /// Returns the layers that [`Store::repair`] would remove.
    pub fn would_repair(&self, findings: &[Finding]) -> Result<Vec<LayerKey>, StoreError> {
        lost(&self.tree, findings)
    }
}

/// Returns the names of damaged base images.
fn damaged_images(findings: &[Finding]) -> impl Iterator<Item = &str> {
    findings.iter().filter_map(|finding| match &finding.subject {
        Subject::Image(name) => Some(name.as_str()),
        Subject::Layer(_) => None,
    })
}

/// Returns the layers that are damaged, are on top of something damaged, or were incomplete before, sorted.
fn lost(tree: &Tree, findings: &[Finding]) -> Result<Vec<LayerKey>, StoreError> {
    let images: BTreeSet<_> = damaged_images(findings).collect();
    let damaged = |key: &LayerKey| findings.iter().any(|finding| finding.subject == Subject::Layer(*key));
    let image_stays = |image: &Sha256| {
        tree.image_files().map(|files| {
            files.iter().any(|file| tree::is_image_name(&file.name, image) && !images.contains(file.name.as_str()))
        })
    };
    let mut lost = Vec::new();
    for key in tree.keys()? {
        // A locked layer is being made.
        if tree.find(&key)?.is_none() {
            if !tree.is_locked(&key)? {
                lost.push(key);
            }
            continue;
        }
        let (mut at, mut stands) = (Some(key), true);
        while let Some(key) = at.take().filter(|_| stands) {
            let meta = tree.meta(&key)?;
            stands = !damaged(&key) && meta.is_some();
            let Some(meta) = meta else { break };
            match (meta.parent, &meta.image) {
                (Some(parent), _) => at = Some(parent),
                (None, Some(image)) => stands = stands && image_stays(image)?,
                (None, None) => {}
            }
        }
        if !stands {
            lost.push(key);
        }
    }
    Ok(lost)
}

/// Returns the first problem of a layer.
fn check(
    tree: &Tree,
    key: &LayerKey,
    meta: Option<LayerMeta>,
    digest: &mut dyn FnMut(&Path) -> Result<Sha256, StoreError>,
) -> Result<Option<Problem>, StoreError> {
    let Some(meta) = meta else { return Ok(Some(Problem::Incomplete)) };
    let directory = tree.layer(key);
    let disk = directory.join(DISK);
    let found = digest(&disk)?;
    if found != meta.sha256 {
        return Ok(Some(Problem::Content { found }));
    }
    for (extra, kept) in &meta.extras {
        let (file, path) = (extra.file(), directory.join(extra.file()));
        if !path.try_exists().at(&path)? || digest(&path)? != kept.sha256 {
            return Ok(Some(Problem::Extra { file }));
        }
    }
    let ingredients = tree::present(std::fs::read(directory.join(KEY)), &directory.join(KEY))?;
    if ingredients.map(|text| Sha256::of(&text)) != Some(*key.digest()) {
        return Ok(Some(Problem::Ingredients));
    }
    if tree.find(key)?.is_none() {
        return Ok(Some(Problem::Parent));
    }
    let backing = match backing::file(&disk) {
        Ok(backing) => backing,
        Err(error) => return structure(&disk, error),
    };
    if !backing::fits(&meta, backing.as_deref()) {
        return Ok(Some(Problem::Backing { found: backing }));
    }
    match process::capture(Command::new("qemu-img").args(["check", "-q", "-U", "-f", "qcow2"]).arg(&disk)) {
        Ok(_) => Ok(None),
        Err(ProcessError::Failed { status, .. }) if status.code() == Some(ONLY_LEAKS) => Ok(None),
        Err(error) => structure(&disk, error),
    }
}

/// Turns a failure of `qemu-img` into a problem of the disk, unless the program could not run.
fn structure(disk: &Path, error: ProcessError) -> Result<Option<Problem>, StoreError> {
    match error {
        ProcessError::Failed { tail, .. } => Ok(Some(Problem::Structure(tail.join("; ")))),
        error => Err(StoreError::qemu_img(disk, error)),
    }
}

/// A file that reports the progress of reading, and stops at an interrupt.
struct Watched<'a> {
    file: std::fs::File,
    interrupt: &'a Interrupt,
    done: &'a mut u64,
    total: u64,
    on_progress: &'a mut dyn FnMut(u64, u64),
}

impl Read for Watched<'_> {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        if self.interrupt.is_raised() {
            return Err(io::ErrorKind::Interrupted.into());
        }
        let count = self.file.read(buffer)?;
        *self.done += count as u64;
        (self.on_progress)(*self.done, self.total);
        Ok(count)
    }
}
