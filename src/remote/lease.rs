//! Leases: notes in the store that say which machine is making a layer, so that others wait instead of making it too.
//!
//! A lease saves work, and nothing else rests on it: whoever makes a layer without one, or loses it, only does what another machine does
//! too, and the first record wins as always. Its holder renews it every few seconds. Others take it over when they have seen no change for
//! longer on their own clock, which need not agree with any other clock.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant, SystemTime};

use serde::{Deserialize, Serialize};

use super::error::RemoteError;
use super::objects::{ObjectStore, Version};
use crate::interrupt::Interrupt;
use crate::layer::LayerKey;
use crate::text::printable;

/// Folder of the leases.
pub(super) const FOLDER: &str = "leases";

/// Size limit of a lease, in bytes.
const LIMIT: usize = 4096;

/// Longest name of a machine that is shown, in characters.
const NAME: usize = 64;

/// How often leases are renewed, and when they are taken over. All machines have the same times.
#[derive(Debug, Clone, Copy)]
pub struct LeaseTimes {
    /// Time between two renewals of a lease.
    pub renewal: Duration,
    /// Time without a renewal after which the holder of a lease counts as dead.
    pub stale: Duration,
}

impl Default for LeaseTimes {
    fn default() -> Self {
        Self { renewal: Duration::from_secs(8), stale: Duration::from_secs(40) }
    }
}

/// The content of a lease.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub(super) struct Content {
    /// A random name of the run that holds it.
    pub(super) holder: String,
    /// The name of the machine, for people.
    pub(super) machine: String,
    /// The public key with which it will sign the layer.
    pub(super) key: String,
    /// How long making the layer took, in seconds, if only the upload is left.
    #[serde(default)]
    pub(super) made: Option<f64>,
    /// Number of renewals, by which every renewal is another version.
    #[serde(default)]
    pub(super) count: u64,
}

/// A lease as it was found.
#[derive(Debug, Clone)]
pub(super) struct Found {
    pub(super) content: Option<Content>,
    pub(super) version: Version,
}

/// The right to make a layer, while other machines wait for it. It is given back when it is dropped.
pub struct Lease {
    pub(super) leases: Arc<Leases>,
    pub(super) key: LayerKey,
}

impl std::fmt::Debug for Lease {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_tuple("Lease").field(&self.key).finish()
    }
}

impl Lease {
    /// Tells the others that the layer is made, and that only its upload is left. Making it took this long.
    pub fn made(&self, seconds: f64) {
        if let Some(held) = self.leases.book().held.get_mut(&self.key) {
            (held.made, held.told) = (Some(seconds), false);
        }
        self.leases.changed.notify_all();
    }
}

impl Drop for Lease {
    fn drop(&mut self) {
        let mut book = self.leases.book();
        if let Some(held) = book.held.remove(&self.key) {
            book.ended.push((self.key, held.renewed));
        }
        self.leases.changed.notify_all();
    }
}

/// The leases of a run.
pub(super) struct Leases {
    /// A random name of this run.
    pub(super) run: String,
    /// The name of this machine.
    pub(super) machine: String,
    pub(super) times: LeaseTimes,
    book: Mutex<Book>,
    pub(super) changed: Condvar,
    /// Whether the store keeps conditions of writes.
    conditions: Mutex<Option<bool>>,
}

/// What a run knows about leases.
#[derive(Debug, Default)]
pub(super) struct Book {
    pub(super) held: BTreeMap<LayerKey, Held>,
    /// Leases to give back, and when each was renewed last.
    pub(super) ended: Vec<(LayerKey, Instant)>,
    /// Whether a thread renews.
    pub(super) running: bool,
    /// Whether leases are not used any more in this run.
    pub(super) off: bool,
    /// Runs whose leases were stale.
    pub(super) dead: BTreeSet<String>,
}

/// A lease of this run.
#[derive(Debug)]
pub(super) struct Held {
    pub(super) count: u64,
    pub(super) made: Option<f64>,
    /// Whether the lease in the store says whether the layer is made.
    pub(super) told: bool,
    pub(super) renewed: Instant,
}

impl Leases {
    pub(super) fn new(machine: &str, times: LeaseTimes) -> Self {
        let mut random = [0; 12];
        // Without random bytes, the time tells runs apart well enough for what only saves work.
        if getrandom::fill(&mut random).is_err() {
            let time = SystemTime::now().duration_since(SystemTime::UNIX_EPOCH).unwrap_or_default();
            random.iter_mut().zip(time.as_nanos().to_le_bytes()).for_each(|(to, from)| *to = from);
        }
        let machine = machine.trim().chars().take(NAME).collect();
        let (book, conditions) = (Mutex::default(), Mutex::default());
        Self { run: hex::encode(random), machine, times, book, changed: Condvar::new(), conditions }
    }

    pub(super) fn book(&self) -> MutexGuard<'_, Book> {
        self.book.lock().unwrap_or_else(PoisonError::into_inner)
    }

    pub(super) fn conditions(&self) -> MutexGuard<'_, Option<bool>> {
        self.conditions.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// Returns the name of the lease of a layer.
pub(super) fn name(key: &LayerKey) -> String {
    format!("{FOLDER}/{key}")
}

/// Reads the lease of a layer.
pub(super) fn read(store: &dyn ObjectStore, key: &LayerKey) -> Result<Option<Found>, RemoteError> {
    use std::io::Read as _;
    let name = name(key);
    let Some(found) = store.get(&name, &Interrupt::new())? else { return Ok(None) };
    let (version, mut bytes) = (found.version, Vec::new());
    let read = found.content.take(LIMIT as u64 + 1).read_to_end(&mut bytes);
    read.map_err(|error| RemoteError::Cut { name, reason: error.to_string() })?;
    // What is no lease stands for one of an unknown holder: it becomes stale too.
    let content = Some(bytes).filter(|bytes| bytes.len() <= LIMIT);
    let content = content.and_then(|bytes| serde_json::from_slice::<Content>(&bytes).ok()).map(|content| {
        let machine: String = printable(content.machine.as_bytes()).chars().take(NAME).collect();
        Content { machine, ..content }
    });
    Ok(Some(Found { content, version }))
}

/// Returns the stored form of a lease.
pub(super) fn bytes(content: &Content) -> Result<Vec<u8>, RemoteError> {
    serde_json::to_vec(content).map_err(|error| RemoteError::Sign(error.to_string()))
}
