//! Adds files, extracted from its disk, to a layer that is already complete.

use std::path::Path;

use super::error::StoreError;
use super::key::LayerKey;
use super::record::{Extracted, Layer, LayerMeta, described};
use super::store::Store;
use super::tree::{self, LOCK, META, POLL};
use crate::fsx::{FileLock, IoContext as _, write_private};
use crate::interrupt::Interrupt;

impl Store {
    /// Adds files and facts to a complete layer. `take` makes the files in the directory that it gets.
    ///
    /// While another build does the same, this waits for it. If `is_enough` accepts the layer, nothing is extracted. Returns
    /// `None` if the layer is gone.
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
        // The files have temporary names first, so that the old ones stay until the new ones are complete.
        let fresh = tempfile::Builder::new().prefix(".extras-").tempdir_in(&directory);
        let fresh = fresh.at(&directory).map_err(StoreError::from)?;
        let extracted = take(&layer, fresh.path())?;
        layer.meta = kept(&directory, fresh.path(), &layer, &extracted)?;
        drop(lock);
        Ok(Some(layer))
    }
}

/// Moves new files to their names and records them in `layer.json`.
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

/// Removes unfinished extractions of killed processes.
fn remove_unfinished(directory: &Path) -> Result<(), StoreError> {
    for entry in tree::entries(directory)? {
        if entry.file_name().to_string_lossy().starts_with(".extras-") {
            tree::present(std::fs::remove_dir_all(entry.path()), &entry.path())?;
        }
    }
    Ok(())
}
