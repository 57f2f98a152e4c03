//! Removes layers of a store that are old or too many, and blobs that no record names.

use std::collections::{BTreeMap, BTreeSet};
use std::time::{Duration, SystemTime};

use serde::Serialize;

use super::blob;
use super::cache::RemoteCache;
use super::error::RemoteError;
use super::lease;
use super::objects::Listed;
use super::record::{self, Record};
use crate::interrupt::Interrupt;
use crate::layer::{GcPolicy, LayerKey};

/// Age of a blob without a record, after which no upload of its layer is still running, and of a lease whose holder must be dead. It leaves
/// room for clocks that differ.
const UPLOADED: Duration = Duration::from_secs(24 * 3600);

/// The result of garbage collection, or of a dry run.
#[derive(Debug, Clone, Default, Serialize)]
pub struct Gc {
    /// Removed layers, children before their parents.
    pub removed: Vec<GcRecord>,
    /// Number of layers that stay.
    pub kept: usize,
    /// Number of removed blobs.
    pub blobs_removed: usize,
    /// Names of removed leftovers of uploads that were never completed.
    pub leftovers_removed: Vec<String>,
    /// Number of removed leases, whose holders have died.
    pub leases_removed: usize,
    /// Bytes that became free.
    pub freed_bytes: u64,
}

/// A layer that goes.
#[derive(Debug, Clone, Serialize)]
pub struct GcRecord {
    /// Key of the layer.
    pub key: LayerKey,
    /// Name of its step, if its record is readable.
    pub step: Option<String>,
    /// Name of the image that it was made for.
    pub image_name: Option<String>,
    /// Seconds since its last use.
    pub unused_seconds: u64,
}

/// A record, whoever has signed it: what it names stays or goes with it.
struct Known {
    key: LayerKey,
    record: Option<Record>,
    last_used: SystemTime,
}

impl RemoteCache {
    /// Removes what the policy selects, and what no build can use. A layer counts as used when a layer on top of it was.
    ///
    /// # Errors
    ///
    /// If the store fails.
    pub fn gc(&self, policy: GcPolicy, interrupt: &Interrupt) -> Result<Gc, RemoteError> {
        let mut known = Vec::new();
        for Listed { name, modified, .. } in self.store.list(record::FOLDER)? {
            if interrupt.is_raised() {
                return Err(RemoteError::Interrupted);
            }
            let Some(key) = LayerKey::parse(&name) else { continue };
            let name = record::name(&key);
            let Some(found) = self.store.get(&name, interrupt)? else { continue };
            known.push(Known { key, record: Record::claimed(&found.read(&name)?), last_used: modified });
        }
        // A blob of a record that is written in between is young, and stays.
        let blobs: BTreeMap<String, Listed> =
            self.store.list(blob::FOLDER)?.into_iter().map(|blob| (blob.name.clone(), blob)).collect();
        let (gone, kept) = decide(known, blobs.values().map(|blob| blob.size).sum(), policy, SystemTime::now());
        let named = |known: &[Known]| -> BTreeSet<String> {
            let records = known.iter().filter_map(|known| known.record.as_ref());
            records.flat_map(Record::all_blobs).map(|blob| format!("{}.zst", blob.sha256)).collect()
        };
        let (needed, freed) = (named(&kept), named(&gone));
        let now = SystemTime::now();
        let age = |time: SystemTime| now.duration_since(time).unwrap_or_default();
        let mut report = Gc { kept: kept.len(), ..Gc::default() };
        for Known { key, record, last_used } in gone {
            if !policy.dry_run {
                self.store.remove(&record::name(&key))?;
            }
            let (step, image_name) = record.map(|record| (record.layer.step, record.layer.image_name)).unzip();
            report.removed.push(GcRecord { key, step, image_name, unused_seconds: age(last_used).as_secs() });
        }
        for (name, Listed { size, modified, .. }) in blobs {
            let old = policy.all || freed.contains(&name) || age(modified) > UPLOADED;
            if old && !needed.contains(&name) {
                if !policy.dry_run {
                    self.store.remove(&format!("{}/{name}", blob::FOLDER))?;
                }
                report.blobs_removed += 1;
                report.freed_bytes += size;
            }
        }
        for Listed { name, modified, .. } in self.store.list(lease::FOLDER)? {
            if policy.all || age(modified) > UPLOADED {
                if !policy.dry_run {
                    self.store.remove(&format!("{}/{name}", lease::FOLDER))?;
                }
                report.leases_removed += 1;
            }
        }
        report.leftovers_removed = self.store.remove_leftovers(policy.dry_run)?;
        Ok(report)
    }
}

/// Returns the layers that go, children before their parents, and those that stay. `bytes` is the size of all blobs.
fn decide(known: Vec<Known>, mut bytes: u64, policy: GcPolicy, now: SystemTime) -> (Vec<Known>, Vec<Known>) {
    let parents: BTreeMap<LayerKey, LayerKey> =
        known.iter().filter_map(|known| Some((known.key, known.record.as_ref()?.layer.parent?))).collect();
    // A chain is circular only if somebody made it so; it ends after as many layers as there are.
    let chain = |key: LayerKey| std::iter::successors(Some(key), |key| parents.get(key).copied()).take(known.len());
    let mut uses: BTreeMap<LayerKey, SystemTime> = BTreeMap::new();
    for layer in &known {
        for key in chain(layer.key) {
            let used = uses.entry(key).or_insert(layer.last_used);
            *used = layer.last_used.max(*used);
        }
    }
    let depths: BTreeMap<LayerKey, usize> = known.iter().map(|layer| (layer.key, chain(layer.key).count())).collect();
    let mut users: BTreeMap<crate::digest::Sha256, usize> = BTreeMap::new();
    for blob in known.iter().filter_map(|known| known.record.as_ref()).flat_map(Record::all_blobs) {
        *users.entry(blob.sha256).or_default() += 1;
    }
    let mut order: Vec<Known> = known
        .into_iter()
        .map(|known| Known { last_used: uses.get(&known.key).copied().unwrap_or(known.last_used), ..known })
        .collect();
    order.sort_by_key(|known| (known.last_used, std::cmp::Reverse(depths.get(&known.key).copied().unwrap_or(0))));
    let (mut gone, mut kept, mut needed): (Vec<Known>, Vec<Known>, BTreeSet<LayerKey>) = Default::default();
    for layer in order {
        let age = now.duration_since(layer.last_used).unwrap_or_default();
        let goes = policy.all
            || policy.max_age.is_some_and(|max| age > max)
            || policy.max_bytes.is_some_and(|max| bytes > max);
        if goes && !needed.contains(&layer.key) {
            for blob in layer.record.iter().flat_map(Record::all_blobs) {
                let users = users.entry(blob.sha256).or_default();
                *users = users.saturating_sub(1);
                if *users == 0 {
                    bytes = bytes.saturating_sub(blob.size);
                }
            }
            gone.push(layer);
        } else {
            needed.extend(parents.get(&layer.key));
            kept.push(layer);
        }
    }
    (gone, kept)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::digest::Sha256;
    use crate::remote::record::tests::record;
    use crate::remote::{Blob, Blobs};

    const DAY: u64 = 24 * 3600;

    fn now() -> SystemTime {
        SystemTime::UNIX_EPOCH + Duration::from_secs(20_000 * DAY)
    }

    /// A layer with a blob of ten bytes.
    fn known(name: &str, parent: Option<&str>, days: u64) -> Known {
        let disk = Blob { sha256: Sha256::of(name.as_bytes()), size: 10 };
        let record = record(name, parent.map(|parent| (parent, parent)));
        let record = Record { blobs: Blobs { disk, extras: BTreeMap::new() }, ..record };
        Known { key: record.key, record: Some(record), last_used: now() - Duration::from_secs(days * DAY) }
    }

    #[test]
    fn the_policy_decides_and_parents_in_use_stay() {
        let age = |days| GcPolicy { max_age: Some(Duration::from_secs(days * DAY)), ..GcPolicy::default() };
        let size = |bytes| GcPolicy { max_bytes: Some(bytes), ..GcPolicy::default() };
        for (policy, expected) in [
            (GcPolicy::default(), ""),
            (age(100), ""),
            (age(30), "old"),
            (age(10), "old other"),
            (age(1), "old other new packages base"),
            (size(50), ""),
            (size(45), "old"),
            (size(20), "old other new"),
            (GcPolicy { all: true, ..GcPolicy::default() }, "old other new packages base"),
        ] {
            // base(90) <- packages(90) <- { old(40), new(2) }; base(90) <- other(20)
            let layers = vec![
                known("base", None, 90),
                known("packages", Some("base"), 90),
                known("old", Some("packages"), 40),
                known("new", Some("packages"), 2),
                known("other", Some("base"), 20),
            ];
            let (gone, kept) = decide(layers, 50, policy, now());
            let names: Vec<_> =
                gone.iter().filter_map(|gone| Some(gone.record.as_ref()?.layer.step.as_str())).collect();
            assert_eq!((names.join(" ").as_str(), gone.len() + kept.len()), (expected, 5), "{policy:?}");
        }
    }

    #[test]
    fn a_circle_ends() {
        let (gone, kept) = decide(
            vec![known("one", Some("two"), 90), known("two", Some("one"), 90)],
            20,
            GcPolicy { all: true, ..GcPolicy::default() },
            now(),
        );
        assert_eq!((gone.len(), kept.len()), (2, 0));
    }
}
