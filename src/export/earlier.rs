//! What an export takes over from earlier ones: from the one before it into the same directory, or from that of an image beside it.
//!
//! After a change of the last steps, most of the disk is as it was: all that neither the new layers nor those that they replace
//! have written. The earlier artifacts hold these parts, compressed already. The same is so for images that share steps, as those of a
//! matrix.

use std::fs::File;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use super::manifest::{self, Summary};
use super::origin::{Layers, Origin};
use crate::build::FinalDisk;
use crate::digest::Sha256;
use crate::image::digests::{Hasher, Kinds};
use crate::image::read::{self, Backing};
use crate::image::{Extents, Format, Output, write};
use crate::layer::{Layer, Store};

/// Largest number of directories beside an export that are looked into.
const MOST_BESIDE: usize = 64;

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
    /// Finds the export that has most layers in common with this one. Returns `None` if there is none that helps: the manifest is
    /// not as this program wrote it, the disks have no layer in common, or layers are gone or were made again.
    pub(super) fn find(past: Past<'_>, dir: &Path, disk: &FinalDisk) -> Option<Self> {
        let now = past.store.chain(&disk.layer.key).ok()??;
        let known = |dir: PathBuf| {
            let before = past.origin.layers(&dir)?;
            Some((common(&before, &now), before, dir))
        };
        let mut all: Vec<_> = [dir.to_owned()].into_iter().chain(beside(dir)).filter_map(known).collect();
        // Of equal ones, the export before this one counts.
        all.sort_by_key(|(common, ..)| std::cmp::Reverse(*common));
        let (common, before, dir) = all.into_iter().next().filter(|(common, ..)| *common > 0)?;
        let same = Arc::new(same(past.store, &before, &now, common)?);
        Some(Self { summary: Summary::read(&dir)?, dir, same })
    }

    /// Opens the earlier artifact of the same output: the one with this name, or another one.
    pub(super) fn model(&self, name: &str, output: &Output) -> Option<Model> {
        let output = Output { file: None, ..output.clone() };
        let mut artifacts: Vec<_> =
            self.summary.artifacts.iter().filter(|artifact| artifact.output == output).collect();
        artifacts.sort_by_key(|artifact| artifact.file != name);
        let artifact = artifacts.into_iter().next()?;
        let file = File::open(self.dir.join(&artifact.file)).ok()?;
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

/// Returns directories beside a directory in which an export may be.
fn beside(dir: &Path) -> Vec<PathBuf> {
    let parent = dir.parent().filter(|parent| !parent.as_os_str().is_empty()).unwrap_or(Path::new("."));
    let entries = std::fs::read_dir(parent).into_iter().flatten().flatten().map(|entry| entry.path());
    entries.filter(|path| path != dir && path.join(manifest::FILE).is_file()).take(MOST_BESIDE).collect()
}

/// Returns how many layers two chains have in common, from the base on. Those of another version have none.
fn common(before: &Layers, now: &[Layer]) -> usize {
    if before.version != Layers::of(now).version {
        return 0;
    }
    let pairs = now.iter().rev().zip(before.layers.iter().rev());
    pairs.take_while(|(layer, (key, sha256))| layer.key == *key && layer.meta.sha256 == *sha256).count()
}

/// Returns the ranges that the disks of two chains have in common, without reading them. The last layer of a chain comes first.
fn same(store: &Store, before: &Layers, now: &[Layer], common: usize) -> Option<Extents> {
    let mut changed: Vec<PathBuf> = now[..now.len() - common].iter().map(|layer| layer.disk.clone()).collect();
    for (key, sha256) in &before.layers[..before.layers.len() - common] {
        changed.push(store.find(key).ok()?.filter(|layer| layer.meta.sha256 == *sha256)?.disk);
    }
    let options = read::Options { format: Some(Format::Qcow2), backing: Backing::Ignore };
    let own = changed.iter().map(|disk| read::open(disk, &options).ok()?.source.own().ok());
    let size = read::open(&now[0].disk, &options).ok()?.source.size();
    Some(Extents::outside(&own.collect::<Option<Vec<_>>>()?, size))
}
