//! The interface of the layer store for builds.

use std::fs::{DirBuilder, File};
use std::os::unix::fs::DirBuilderExt as _;
use std::path::{Path, PathBuf};
use std::sync::{Arc, OnceLock};
use std::time::{Duration, SystemTime};

use serde_json::Value;

use super::tree::{KEY, LOCK, POLL, Tree, USED};
use super::{Layer, LayerInfo, LayerKey, LayerMeta, Slot, StoreError, explain, root};
use crate::fsx::{FileLock, IoContext as _};
use crate::interrupt::Interrupt;

/// Number of tries to lock the store when it is opened. Garbage collection and repair do not take long.
const OPEN_TRIES: u32 = 200;

/// An open layer store.
///
/// Several processes may have the same store open. Several threads can use it at once, except for methods that remove layers.
#[derive(Debug)]
pub struct Store {
    pub(super) tree: Tree,
    lock: Arc<FileLock>,
    candidates: OnceLock<Vec<Candidate>>,
}

/// A layer with which a missing one may be compared.
#[derive(Debug, PartialEq, Eq, PartialOrd, Ord)]
struct Candidate {
    created: String,
    image_name: String,
    step: String,
    key: LayerKey,
    /// Duration of the step, in milliseconds.
    millis: u64,
}

/// The result of a claim.
#[derive(Debug)]
pub enum Lookup {
    /// The layer exists.
    Hit(Box<Layer>),
    /// The layer does not exist, and only the caller may make it now.
    Miss(Slot),
}

impl Store {
    /// Opens the store in a directory, and creates it if it is missing, readable only by its owner.
    ///
    /// Fails for the same directories as [`prepare`](super::prepare). Waits for at most ten seconds while another process
    /// collects garbage.
    pub fn open(root: &Path) -> Result<Self, StoreError> {
        let private = |path: &Path| DirBuilder::new().recursive(true).mode(0o700).create(path).at(path);
        let tree = Tree { root: root::prepare(root)? };
        private(&tree.layers())?;
        private(&tree.images())?;
        let path = tree.root.join(LOCK);
        for _ in 0..OPEN_TRIES {
            if let Some(lock) = FileLock::try_shared(&path)? {
                return Ok(Self { tree, lock: Arc::new(lock), candidates: OnceLock::new() });
            }
            std::thread::sleep(POLL);
        }
        Err(StoreError::Busy {
            root: tree.root,
            reason: "another goldsmith is cleaning it up; try again when it is done",
        })
    }

    /// Returns the absolute path of the store.
    pub fn root(&self) -> &Path {
        &self.tree.root
    }

    /// Returns the directory of a layer, whether it exists or not.
    pub(super) fn layer_dir(&self, key: &LayerKey) -> PathBuf {
        self.tree.layer(key)
    }

    /// Returns the directory of base images. Their names are SHA-256 digests, alone or with the extension `.qcow2` or `.raw`.
    pub fn images_dir(&self) -> PathBuf {
        self.tree.images()
    }

    /// Returns the layer with a key, if it and its whole chain exist. A damaged layer does not exist.
    pub fn find(&self, key: &LayerKey) -> Result<Option<Layer>, StoreError> {
        self.tree.find(key)
    }

    /// Returns the layer with a key and all layers below it, the base last, if the whole chain exists.
    pub fn chain(&self, key: &LayerKey) -> Result<Option<Vec<Layer>>, StoreError> {
        self.tree.chain(key)
    }

    /// Returns the layer with a key, or the right to make it.
    ///
    /// While another build makes the layer, this waits for it, calls `on_wait` once, and fails when `interrupt` is raised. The
    /// parent need not be committed. Claim parents before their children, or two builds may wait for each other. A hit counts as
    /// a use.
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
                    // Another build committed it between the search and the lock.
                    Some(_) => continue,
                    None => return Slot::new(self.tree.clone(), *key, lock, Arc::clone(&self.lock)).map(Lookup::Miss),
                },
                Ok(None) => {}
                // Another build gave up and removed the directory.
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

    /// Records that a layer is used now. Garbage collection removes the least recently used layers first.
    pub fn touch(&self, key: &LayerKey) -> Result<(), StoreError> {
        let path = self.tree.layer(key).join(USED);
        let file = File::options().create(true).truncate(false).write(true).open(&path).at(&path)?;
        Ok(file.set_modified(SystemTime::now()).at(&path)?)
    }

    /// Returns all layers in the store, complete or not, most recently used first.
    pub fn list(&self) -> Result<Vec<LayerInfo>, StoreError> {
        self.tree.list()
    }

    /// Explains why there is no layer for these ingredients: by the differences to the most recent layer of the same step,
    /// preferably one of the same image. `None` if there is nothing to compare with. Unreadable layers are skipped, because the
    /// text is only for people.
    ///
    /// Only layers count that were there at the first call: all of them are read once, and not for every step of a plan.
    pub fn explain(&self, ingredients: &Value, step: &str, image_name: &str) -> Option<String> {
        let candidates = self.candidates.get_or_init(|| self.candidates());
        let of_step = candidates.iter().filter(|candidate| candidate.step == step);
        let found = of_step.max_by_key(|candidate| (candidate.image_name == image_name, *candidate))?;
        let text = std::fs::read(self.tree.layer(&found.key).join(KEY)).ok()?;
        let difference = explain::difference(&serde_json::from_slice(&text).ok()?, ingredients);
        Some(match (difference.as_str(), found.image_name == image_name) {
            ("", _) => "the layer made earlier is damaged or its parent is missing".to_owned(),
            (_, true) => difference,
            (_, false) => format!("unlike in {}: {difference}", found.image_name),
        })
    }

    /// Returns how long a step took when its newest layer was made, preferably for the same image. Only layers count that were there at
    /// the first question, as in [`Store::explain`].
    pub fn expected(&self, step: &str, image_name: &str) -> Option<Duration> {
        let candidates = self.candidates.get_or_init(|| self.candidates());
        let of_step = candidates.iter().filter(|candidate| candidate.step == step);
        let found = of_step.max_by_key(|candidate| (candidate.image_name == image_name, *candidate))?;
        Some(Duration::from_millis(found.millis))
    }

    fn candidates(&self) -> Vec<Candidate> {
        let candidate = |key: LayerKey| {
            let LayerMeta { created, image_name, step, seconds, .. } = self.tree.meta(&key).ok().flatten()?;
            let took = Duration::try_from_secs_f64(seconds).unwrap_or_default();
            let millis = u64::try_from(took.as_millis()).unwrap_or_default();
            Some(Candidate { created, image_name, step, key, millis })
        };
        self.tree.keys().unwrap_or_default().into_iter().filter_map(candidate).collect()
    }

    /// Runs `work` while no other process has the store open.
    pub(super) fn alone<T>(&mut self, work: impl FnOnce(&Tree) -> Result<T, StoreError>) -> Result<T, StoreError> {
        let busy = || StoreError::Busy {
            root: self.tree.root.clone(),
            reason: "a build is running; try again when it is done",
        };
        // Slots share the lock, so a slot that still lives would lose its protection.
        if Arc::strong_count(&self.lock) > 1 {
            return Err(busy());
        }
        let path = self.tree.root.join(LOCK);
        let result = if self.lock.try_upgrade(&path)? { work(&self.tree) } else { Err(busy()) };
        // Only another process that cleans up can hold the lock, and only for a short time.
        while !self.lock.try_downgrade(&path)? {
            std::thread::sleep(POLL);
        }
        result
    }
}
