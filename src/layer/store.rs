//! The store as builds use it.

use std::fs::{DirBuilder, File};
use std::os::unix::fs::DirBuilderExt as _;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::SystemTime;

use serde_json::Value;

use super::tree::{KEY, LOCK, POLL, Tree, USED};
use super::{Layer, LayerInfo, LayerKey, Slot, StoreError, explain, root};
use crate::fsx::{FileLock, IoContext as _};
use crate::interrupt::Interrupt;

/// How many looks at the store's lock opening takes: those who hold it alone are done soon.
const OPEN_TRIES: u32 = 200;

/// An open layer store.
///
/// Several processes may have the same store open. All methods but those that remove layers can be called
/// from several threads.
#[derive(Debug)]
pub struct Store {
    pub(super) tree: Tree,
    lock: Arc<FileLock>,
}

/// The answer to a claim.
#[derive(Debug)]
pub enum Lookup {
    /// The layer exists.
    Hit(Box<Layer>),
    /// It does not, and the caller is the only one who may make it now.
    Miss(Slot),
}

impl Store {
    /// Opens the store at a path, making it (readable by its owner only) if it is not there.
    ///
    /// Refuses what [`prepare`](super::prepare) refuses. Waits for at most ten seconds while another process collects garbage.
    pub fn open(root: &Path) -> Result<Self, StoreError> {
        let private = |path: &Path| DirBuilder::new().recursive(true).mode(0o700).create(path).at(path);
        let tree = Tree { root: root::prepare(root)? };
        private(&tree.layers())?;
        private(&tree.images())?;
        let path = tree.root.join(LOCK);
        for _ in 0..OPEN_TRIES {
            if let Some(lock) = FileLock::try_shared(&path)? {
                return Ok(Self { tree, lock: Arc::new(lock) });
            }
            std::thread::sleep(POLL);
        }
        Err(StoreError::Busy {
            root: tree.root,
            reason: "another goldsmith is cleaning it up; try again when it is done",
        })
    }

    /// Where the store is, absolute.
    pub fn root(&self) -> &Path {
        &self.tree.root
    }

    /// Directory of a layer, whether it is there or not.
    pub(super) fn layer_dir(&self, key: &LayerKey) -> PathBuf {
        self.tree.layer(key)
    }

    /// Where base images are kept, each under its SHA-256 digest, alone or with the extension `.qcow2` or `.raw`.
    pub fn images_dir(&self) -> PathBuf {
        self.tree.images()
    }

    /// The layer with a key, if it and its whole chain are there. Something damaged is not there.
    pub fn find(&self, key: &LayerKey) -> Result<Option<Layer>, StoreError> {
        self.tree.find(key)
    }

    /// The layer with a key, or the right to make it.
    ///
    /// While another build makes the layer, this waits for it, calls `on_wait` once and ends early when
    /// `interrupt` is raised. The parent need not be committed; claim parents before their children, or
    /// two builds may wait for each other. A hit counts as a use.
    pub fn claim(
        &self,
        key: &LayerKey,
        interrupt: &Interrupt,
        on_wait: &mut dyn FnMut(),
    ) -> Result<Lookup, StoreError> {
        let mut waited = false;
        let directory = self.tree.layer(key);
        loop {
            if interrupt.is_raised() {
                return Err(StoreError::Interrupted);
            }
            if let Some(layer) = self.find(key)? {
                self.touch(key)?;
                return Ok(Lookup::Hit(Box::new(layer)));
            }
            DirBuilder::new().recursive(true).mode(0o700).create(&directory).at(&directory)?;
            match FileLock::try_exclusive(&directory.join(LOCK)) {
                Ok(Some(lock)) => match self.find(key)? {
                    // It was committed between the look and the lock.
                    Some(_) => continue,
                    None => return Slot::new(self.tree.clone(), *key, lock, Arc::clone(&self.lock)).map(Lookup::Miss),
                },
                Ok(None) => {}
                // Another build gave up and took the directory away.
                Err(error) if error.source.kind() == std::io::ErrorKind::NotFound => continue,
                Err(error) => return Err(error.into()),
            }
            if !waited {
                on_wait();
                waited = true;
            }
            std::thread::sleep(POLL);
        }
    }

    /// Notes that a layer is used now; garbage collection removes the least recently used first.
    pub fn touch(&self, key: &LayerKey) -> Result<(), StoreError> {
        let path = self.tree.layer(key).join(USED);
        let file = File::options().create(true).truncate(false).write(true).open(&path).at(&path)?;
        Ok(file.set_modified(SystemTime::now()).at(&path)?)
    }

    /// Everything in the store, complete or not, most recently used first.
    pub fn list(&self) -> Result<Vec<LayerInfo>, StoreError> {
        self.tree.list()
    }

    /// Why there is no layer for these ingredients: what differs from the most recent layer of the same step,
    /// preferably one of the same image. `None` if there is nothing to compare with; a layer that
    /// cannot be read is passed over, since this is for people only.
    pub fn explain(&self, ingredients: &Value, step: &str, image_name: &str) -> Option<String> {
        let candidate = |key: LayerKey| {
            let meta = self.tree.meta(&key).ok().flatten().filter(|meta| meta.step == step)?;
            Some((meta.image_name == image_name, meta.created, meta.image_name, key))
        };
        let (same_image, _, other, key) = self.tree.keys().ok()?.into_iter().filter_map(candidate).max()?;
        let text = std::fs::read(self.tree.layer(&key).join(KEY)).ok()?;
        let difference = explain::difference(&serde_json::from_slice(&text).ok()?, ingredients);
        Some(match (difference.as_str(), same_image) {
            ("", _) => "the layer made earlier is damaged or its parent is missing".to_owned(),
            (_, true) => difference,
            (_, false) => format!("unlike in {other}: {difference}"),
        })
    }

    /// Does something while nobody else has the store open.
    pub(super) fn alone<T>(&mut self, work: impl FnOnce(&Tree) -> Result<T, StoreError>) -> Result<T, StoreError> {
        let busy = || StoreError::Busy {
            root: self.tree.root.clone(),
            reason: "a build is running; try again when it is done",
        };
        // Slots share the lock: one that lives would lose its protection.
        if Arc::strong_count(&self.lock) > 1 {
            return Err(busy());
        }
        let path = self.tree.root.join(LOCK);
        let result = if self.lock.try_upgrade(&path)? { work(&self.tree) } else { Err(busy()) };
        // Only another process that cleans up can be in the way, and it is done soon.
        while !self.lock.try_downgrade(&path)? {
            std::thread::sleep(POLL);
        }
        result
    }
}
