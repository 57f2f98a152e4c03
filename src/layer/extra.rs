//! Files that are taken out of a layer's disk and kept beside it.

use std::collections::BTreeMap;
use std::fs::File;
use std::path::{Path, PathBuf};

use serde::{Deserialize, Serialize};

use super::tree::{self, LOCK, META, POLL};
use super::{ExtraMeta, Layer, LayerKey, LayerMeta, Store, StoreError};
use crate::digest::Sha256;
use crate::fsx::{FileLock, IoContext as _, PathError, write_private};
use crate::interrupt::Interrupt;

/// A file that is taken out of a layer's disk.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Extra {
    /// All files of the image, as a tar file.
    Tree,
    /// The kernel that is booted by default.
    Kernel,
    /// Its initial RAM disk.
    Initrd,
}

impl Extra {
    /// Name of the file in the layer's directory.
    pub fn file(self) -> &'static str {
        match self {
            Self::Tree => "tree.tar",
            Self::Kernel => "vmlinuz",
            Self::Initrd => "initrd",
        }
    }
}

impl Layer {
    /// A file that was taken out of the disk, if it is there with the size that `layer.json` records.
    pub fn extra(&self, extra: Extra) -> Option<PathBuf> {
        let meta = self.meta.extras.get(&extra)?;
        let path = self.disk.parent()?.join(extra.file());
        (std::fs::metadata(&path).ok()?.len() == meta.size).then_some(path)
    }
}

/// What was taken out of a layer's disk.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct Extracted {
    /// Files, under their names in the directory that was asked for.
    pub extras: Vec<Extra>,
    /// An object whose keys are added to the layer's own facts; `null` for none.
    pub facts: serde_json::Value,
}

/// Brings files of a layer's directory to the host's disk and takes their digests.
pub(super) fn described(directory: &Path, extras: &[Extra]) -> Result<BTreeMap<Extra, ExtraMeta>, PathError> {
    let described = extras.iter().map(|extra| {
        let path = directory.join(extra.file());
        let file = File::open(&path).at(&path)?;
        file.sync_all().at(&path)?;
        let size = file.metadata().at(&path)?.len();
        Ok((*extra, ExtraMeta { size, sha256: Sha256::of_reader(&file).at(&path)? }))
    });
    described.collect()
}

impl Store {
    /// Adds files and facts to a layer that is complete. `take` makes the files in the directory that it is given.
    ///
    /// While another build does the same, this waits for it. If `is_enough` says that the layer has what is wanted,
    /// nothing is taken. `None` if the layer is not there any more.
    pub fn add_extras<E: From<StoreError>>(
        &self,
        key: &LayerKey,
        interrupt: &Interrupt,
        is_enough: &dyn Fn(&Layer) -> bool,
        take: impl FnOnce(&Layer, &Path) -> Result<Extracted, E>,
    ) -> Result<Option<Layer>, E> {
        let directory = self.layer_dir(key);
        let lock = loop {
            if interrupt.is_raised() {
                return Err(StoreError::Interrupted.into());
            }
            if self.find(key)?.is_none() {
                return Ok(None);
            }
            if let Some(lock) = FileLock::try_exclusive(&directory.join(LOCK)).map_err(StoreError::from)? {
                break lock;
            }
            std::thread::sleep(POLL);
        };
        let Some(mut layer) = self.find(key)? else { return Ok(None) };
        if is_enough(&layer) {
            return Ok(Some(layer));
        }
        remove_unfinished(&directory)?;
        // Made under other names: what is there stays whole until the new file is.
        let fresh = tempfile::Builder::new().prefix(".extras-").tempdir_in(&directory);
        let fresh = fresh.at(&directory).map_err(StoreError::from)?;
        let extracted = take(&layer, fresh.path())?;
        layer.meta = kept(&directory, fresh.path(), &layer, &extracted)?;
        drop(lock);
        Ok(Some(layer))
    }
}

/// Gives new files their names and notes them in `layer.json`.
fn kept(directory: &Path, fresh: &Path, layer: &Layer, new: &Extracted) -> Result<LayerMeta, StoreError> {
    let mut meta = layer.meta.clone();
    let described = described(fresh, &new.extras)?;
    for extra in &new.extras {
        let path = directory.join(extra.file());
        std::fs::rename(fresh.join(extra.file()), &path).at(&path)?;
    }
    meta.extras.extend(described);
    match (meta.facts.as_object_mut(), new.facts.as_object()) {
        (Some(known), Some(new)) => known.extend(new.clone()),
        (None, Some(_)) => meta.facts = new.facts.clone(),
        (_, None) => {}
    }
    let path = directory.join(META);
    let text = serde_json::to_vec_pretty(&meta).map_err(std::io::Error::from).at(&path)?;
    write_private(&path, &text)?;
    Ok(meta)
}

/// Removes what a process that was killed had begun to take out of a layer.
fn remove_unfinished(directory: &Path) -> Result<(), StoreError> {
    for entry in tree::entries(directory)? {
        if entry.file_name().to_string_lossy().starts_with(".extras-") {
            tree::present(std::fs::remove_dir_all(entry.path()), &entry.path())?;
        }
    }
    Ok(())
}
