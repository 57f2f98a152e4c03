//! Looks up the layers of a plan in the store.

use std::sync::Arc;
use std::time::{Duration, SystemTime};

use serde_json::Value;

use super::cache::{RemoteCache, within};
use super::error::RemoteError;
use super::keys::TrustedKeys;
use super::objects::{ObjectStore, Version};
use super::record::{self, Record};
use super::refusal::Refusal;
use crate::interrupt::Interrupt;
use crate::layer::{LayerKey, Store};

/// Longest time that a build waits for the records of its layers.
pub(super) const PATIENCE: Duration = Duration::from_secs(3);

/// Seconds that it costs to fetch anything at all.
const OVERHEAD: f64 = 2.0;

/// Number of records that are read at the same time.
const AT_ONCE: usize = 8;

/// A layer that a build needs.
#[derive(Debug, Clone, Copy)]
pub struct Wanted<'a> {
    /// Key of the layer.
    pub key: LayerKey,
    /// Ingredients of the key.
    pub ingredients: &'a Value,
}

/// Where a layer is.
#[derive(Debug, Clone)]
pub enum Standing {
    /// In the local cache.
    Here,
    /// In the remote cache.
    Remote(Box<Record>),
    /// In the remote cache, but it is faster to make it.
    Slower(Box<Record>),
    /// In neither.
    Absent,
    /// The remote cache has a record that does not count.
    Refused(Refusal),
    /// A layer below it is in neither, so nobody looked.
    Below,
}

impl Standing {
    /// Returns the bytes to fetch, and the seconds in which the layer was made.
    fn cost(&self) -> Option<(u64, f64)> {
        let Self::Remote(record) = self else { return None };
        Some((record.bytes(), record.layer.seconds))
    }

    /// Takes a layer from the remote cache, however long that takes.
    pub(super) fn take(&mut self) {
        if let Self::Slower(record) = self {
            *self = Self::Remote(record.clone());
        }
    }

    /// Leaves a layer in the remote cache.
    fn leave(&mut self) {
        if let Self::Remote(record) = self {
            *self = Self::Slower(record.clone());
        }
    }
}

/// A record as it was found.
#[derive(Debug)]
pub(super) struct Read {
    pub(super) record: Result<Record, Refusal>,
    pub(super) bytes: Vec<u8>,
    pub(super) version: Version,
    pub(super) modified: Option<SystemTime>,
}

/// Reads the record of a layer.
pub(super) fn read(
    store: &dyn ObjectStore,
    trusted: &TrustedKeys,
    key: &LayerKey,
    interrupt: &Interrupt,
) -> Result<Option<Read>, RemoteError> {
    let name = record::name(key);
    let Some(found) = store.get(&name, interrupt)? else { return Ok(None) };
    let (version, modified) = (found.version.clone(), found.modified);
    let bytes = found.read(&name)?;
    let record = Record::open(&bytes, key, trusted);
    Ok(Some(Read { record, bytes, version, modified }))
}

impl RemoteCache {
    /// Finds out where the layers of a plan are, the base first.
    ///
    /// The lowest layer that is not here is looked up first: without it, those above are useless.
    ///
    /// # Errors
    ///
    /// If the store does not answer within three seconds.
    pub fn look(
        &self,
        wanted: &[Wanted<'_>],
        local: &Store,
        interrupt: &Interrupt,
    ) -> Result<Vec<Standing>, RemoteError> {
        let mut standings = Vec::new();
        let mut parent = None;
        for layer in wanted {
            let Some(found) = local.find(&layer.key)? else { break };
            parent = Some(found.meta.sha256);
            standings.push(Standing::Here);
        }
        let missing: Vec<LayerKey> = wanted[standings.len()..].iter().map(|layer| layer.key).collect();
        let Some((lowest, above)) = missing.split_first() else { return Ok(standings) };
        let first = self.read_all(vec![*lowest], interrupt)?;
        self.state().answered = true;
        let others = match first.as_slice() {
            [Some(Read { record: Ok(_), .. })] => self.read_all(above.to_vec(), interrupt)?,
            _ => Vec::new(),
        };
        let mut below = standings.len().checked_sub(1).map(|at| wanted[at].key);
        for read in first.into_iter().chain(others) {
            let standing = match read.map(|read| read.record) {
                None => Standing::Absent,
                Some(Err(refusal)) => Standing::Refused(refusal),
                Some(Ok(record)) if record.layer.parent != below || record.layer.parent_sha256 != parent => {
                    Standing::Refused(Refusal::Parent)
                }
                Some(Ok(record)) => Standing::Remote(Box::new(record)),
            };
            let Standing::Remote(record) = &standing else {
                standings.push(standing);
                break;
            };
            (below, parent) = (Some(record.key), Some(record.layer.sha256));
            standings.push(standing);
        }
        let costs: Vec<_> = standings.iter().filter_map(Standing::cost).collect();
        let count = worth(&costs, self.bandwidth());
        let slower = standings.iter_mut().filter(|standing| standing.cost().is_some()).skip(count);
        slower.for_each(Standing::leave);
        standings.resize(wanted.len(), Standing::Below);
        Ok(standings)
    }

    /// Reads the records of layers.
    fn read_all(&self, keys: Vec<LayerKey>, interrupt: &Interrupt) -> Result<Vec<Option<Read>>, RemoteError> {
        let (store, trusted, stop) = (Arc::clone(&self.store), Arc::clone(&self.trusted), interrupt.clone());
        within(PATIENCE, interrupt, move || {
            let mut all = Vec::new();
            for some in keys.chunks(AT_ONCE) {
                let (store, trusted, stop) = (&*store, &*trusted, &stop);
                let read = std::thread::scope(|scope| {
                    let one = |key| scope.spawn(move || read(store, trusted, key, stop));
                    let threads: Vec<_> = some.iter().map(one).collect();
                    let joined = threads.into_iter().map(|thread| thread.join());
                    joined.map(|done| done.unwrap_or_else(|panic| std::panic::resume_unwind(panic))).collect::<Vec<_>>()
                });
                all.extend(read);
            }
            all.into_iter().collect()
        })
    }
}

/// Returns how many of some layers to fetch, the lowest first: so many that most time is saved. Each has its bytes and the seconds in
/// which it was made. Only with all layers below it, a layer is of use.
fn worth(costs: &[(u64, f64)], bandwidth: Option<f64>) -> usize {
    // Without experience, the transfer itself will show.
    let Some(bandwidth) = bandwidth else { return costs.len() };
    let (mut best, mut saved, mut gain) = (0, 0.0, -OVERHEAD);
    for (number, (bytes, seconds)) in costs.iter().enumerate() {
        gain += seconds - *bytes as f64 / bandwidth;
        if gain > saved {
            (best, saved) = (number + 1, gain);
        }
    }
    best
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_faster_to_make_is_not_fetched() {
        let base = (200 << 20, 60.0);
        let small = (1 << 10, 0.5);
        let fast = Some(100e6);
        assert_eq!(worth(&[base, small, small], None), 3);
        assert_eq!(worth(&[base, small, small], fast), 3);
        assert_eq!(worth(&[base, small, (1 << 30, 1.0)], fast), 2, "the last is faster to make");
        assert_eq!(worth(&[small, small], fast), 0, "to fetch anything costs two seconds");
        assert_eq!(worth(&[small, (1 << 10, 9.0)], fast), 2, "the lower one is needed for the upper one");
        assert_eq!(worth(&[base, small], Some(1e3)), 0);
        assert_eq!(worth(&[], fast), 0);
    }
}
