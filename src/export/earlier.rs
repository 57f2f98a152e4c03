//! What an export takes over from the one before it into the same directory.
//!
//! After a change of the last steps, most of the disk is as it was: all that neither the new layers nor those that they replace
//! have written. The earlier artifacts hold these parts, compressed already.

use std::fs::File;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use super::manifest::Summary;
use super::origin::{Layers, Origin};
use crate::build::FinalDisk;
use crate::digest::Sha256;
use crate::image::digests::{Hasher, Kinds};
use crate::image::read::{self, Backing};
use crate::image::{Extents, Format, Output, write};
use crate::layer::{Layer, Store};

/// Where to look for an earlier export.
#[derive(Debug, Clone, Copy)]
pub struct Past<'a> {
    /// The record of exports.
    pub origin: &'a Origin,
    /// The store with their layers.
    pub store: &'a Store,
}

/// The artifacts of an earlier export, with the ranges of the disk that they have in common with the new ones.
#[derive(Debug)]
pub(super) struct Earlier {
    dir: PathBuf,
    summary: Summary,
    same: Arc<Extents>,
}

/// An earlier artifact, opened.
#[derive(Debug)]
pub(super) struct Model {
    pub(super) file: write::Earlier,
    /// Digest that the file must have. If it has another one, nothing of it counts.
    pub(super) sha256: Sha256,
}

impl Earlier {
    /// Finds the export before this one. Returns `None` if there is none that helps: the manifest is not as this program wrote it,
    /// the disks have no layer in common, or layers are gone or were made again.
    pub(super) fn find(past: Past<'_>, dir: &Path, disk: &FinalDisk) -> Option<Self> {
        let before = past.origin.layers(dir)?;
        let now = past.store.chain(&disk.layer.key).ok()??;
        let same = Arc::new(same(past.store, &before, &now)?);
        Some(Self { dir: dir.to_owned(), summary: Summary::read(dir)?, same })
    }

    /// Opens the earlier artifact with a name, if it is of the same output.
    pub(super) fn model(&self, name: &str, output: &Output) -> Option<Model> {
        let output = Output { file: None, ..output.clone() };
        let artifact =
            self.summary.artifacts.iter().find(|artifact| artifact.file == name && artifact.output == output)?;
        let file = File::open(self.dir.join(name)).ok()?;
        let whole = file.metadata().is_ok_and(|about| about.is_file() && about.len() == artifact.size);
        let file = write::Earlier { file, same: Arc::clone(&self.same) };
        whole.then_some(Model { file, sha256: artifact.digests.sha256 })
    }
}

impl Model {
    /// Returns whether the file is as it was exported.
    pub(super) fn is_sound(&self) -> bool {
        Hasher::of_file(&self.file.file, Kinds::default()).is_ok_and(|digests| digests.sha256 == self.sha256)
    }
}

/// Returns the ranges that the disks of two chains have in common, without reading them. The last layer of a chain comes first.
fn same(store: &Store, before: &Layers, now: &[Layer]) -> Option<Extents> {
    if before.version != Layers::of(now).version {
        return None;
    }
    let common = now.iter().rev().zip(before.layers.iter().rev());
    let common = common.take_while(|(layer, (key, sha256))| layer.key == *key && layer.meta.sha256 == *sha256).count();
    if common == 0 {
        return None;
    }
    let mut changed: Vec<PathBuf> = now[..now.len() - common].iter().map(|layer| layer.disk.clone()).collect();
    for (key, sha256) in &before.layers[..before.layers.len() - common] {
        changed.push(store.find(key).ok()?.filter(|layer| layer.meta.sha256 == *sha256)?.disk);
    }
    let options = read::Options { format: Some(Format::Qcow2), backing: Backing::Ignore };
    let own = changed.iter().map(|disk| read::open(disk, &options).ok()?.source.own().ok());
    let size = read::open(&now[0].disk, &options).ok()?.source.size();
    Some(Extents::outside(&own.collect::<Option<Vec<_>>>()?, size))
}
