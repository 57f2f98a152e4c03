//! Collects garbage: removes layers and images that are old, too many or useless.

use std::collections::{BTreeMap, BTreeSet};
use std::time::{Duration, SystemTime};

use serde::Serialize;

use super::tree::{self, ImageFile, Tree};
use super::{LayerInfo, LayerKey, LayerState, Store, StoreError};
use crate::digest::Sha256;

/// The rules for garbage collection. Useless files are always removed.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct GcPolicy {
    /// Removes layers and images that were not used for longer than this.
    pub max_age: Option<Duration>,
    /// Removes the least recently used layers and images until the rest occupies at most so many bytes.
    pub max_bytes: Option<u64>,
    /// Removes everything.
    pub all: bool,
    /// Whether to report only what would be removed.
    pub dry_run: bool,
}

/// The result of garbage collection, or of a dry run.
#[derive(Debug, Clone, Default, Serialize)]
pub struct GcReport {
    /// Removed layers, in this order: children before their parents.
    pub removed: Vec<LayerInfo>,
    /// Number of layers that stay, including those that are being made.
    pub kept: usize,
    /// Number of removed directories without a usable layer.
    pub partial_removed: usize,
    /// Names of removed base images and unfinished downloads.
    pub images_removed: Vec<String>,
    /// Bytes that became free on the host's disk.
    pub freed_bytes: u64,
}

/// The decision about all files of a store.
#[derive(Debug, Default)]
struct Decision {
    partial: Vec<LayerInfo>,
    layers: Vec<LayerInfo>,
    images: Vec<ImageFile>,
    kept: usize,
}

impl Store {
    /// Removes what no build can use, and what the policy selects.
    ///
    /// A layer or image that a kept layer needs is kept, and counts as used when that layer was. Fails with [`StoreError::Busy`]
    /// while another process has the store open, unless it is a dry run.
    pub fn gc(&mut self, policy: GcPolicy) -> Result<GcReport, StoreError> {
        if policy.dry_run { collect(&self.tree, policy) } else { self.alone(|tree| collect(tree, policy)) }
    }
}

fn collect(tree: &Tree, policy: GcPolicy) -> Result<GcReport, StoreError> {
    let decision = decide(tree.list()?, tree.image_files()?, policy, SystemTime::now());
    let mut report = GcReport { kept: decision.kept, ..GcReport::default() };
    for info in decision.partial {
        if !policy.dry_run {
            tree.remove(&info.key)?;
        }
        report.partial_removed += 1;
        report.freed_bytes += info.bytes;
    }
    for info in decision.layers {
        if !policy.dry_run {
            tree.remove(&info.key)?;
        }
        report.freed_bytes += info.bytes;
        report.removed.push(info);
    }
    for image in decision.images {
        if !policy.dry_run {
            tree::present(std::fs::remove_file(&image.path), &image.path)?;
        }
        report.freed_bytes += image.bytes;
        // The lock files of downloads would tell the user nothing.
        if !image.name.ends_with(".lock") {
            report.images_removed.push(image.name);
        }
    }
    Ok(report)
}

/// Applies the policy to the content of a store.
fn decide(list: Vec<LayerInfo>, images: Vec<ImageFile>, policy: GcPolicy, now: SystemTime) -> Decision {
    let mut decision = Decision::default();
    let (partial, rest): (Vec<_>, Vec<_>) = list.into_iter().partition(|info| info.state == LayerState::Partial);
    let (making, complete): (Vec<_>, Vec<_>) = rest.into_iter().partition(|info| info.state == LayerState::Making);
    let mut bytes: u64 = complete.iter().chain(&making).map(|info| info.bytes).sum();
    bytes += images.iter().map(|image| image.bytes).sum::<u64>();
    decision.partial = partial;
    decision.kept = making.len();

    let goes = |last_used: SystemTime, bytes: u64| {
        // A time in the future counts as now.
        let age = now.duration_since(last_used).unwrap_or_default();
        policy.all || policy.max_age.is_some_and(|max| age > max) || policy.max_bytes.is_some_and(|max| bytes > max)
    };
    // The order alone keeps what is needed. These sets make sure of it.
    let mut needed = BTreeSet::new();
    let mut needed_images = BTreeSet::new();
    for (last_used, item) in oldest_first(complete, images) {
        match item {
            Item::Layer(info) if !needed.contains(&info.key) && goes(last_used, bytes) => {
                bytes = bytes.saturating_sub(info.bytes);
                decision.layers.push(*info);
            }
            Item::Layer(info) => {
                decision.kept += 1;
                if let Some(meta) = info.meta {
                    needed.extend(meta.parent);
                    needed_images.extend(meta.image);
                }
            }
            Item::Image(image) => {
                let needed = image.sha256.is_some_and(|sha256| needed_images.contains(&sha256));
                if !needed && goes(last_used, bytes) {
                    bytes = bytes.saturating_sub(image.bytes);
                    decision.images.push(image);
                }
            }
        }
    }
    decision
}

/// A layer or image that may be removed.
enum Item {
    Layer(Box<LayerInfo>),
    Image(ImageFile),
}

/// Sorts layers and images in the order of removal: by last use, and children before their parents. A use of a layer counts as a
/// use of all its parents.
fn oldest_first(layers: Vec<LayerInfo>, images: Vec<ImageFile>) -> Vec<(SystemTime, Item)> {
    let parents: BTreeMap<LayerKey, LayerKey> =
        layers.iter().filter_map(|info| Some((info.key, info.meta.as_ref()?.parent?))).collect();
    let chain = |key: LayerKey| std::iter::successors(Some(key), |key| parents.get(key).copied());
    let mut uses: BTreeMap<LayerKey, SystemTime> = BTreeMap::new();
    for info in &layers {
        for key in chain(info.key) {
            later(uses.entry(key).or_insert(info.last_used), info.last_used);
        }
    }
    let mut image_uses: BTreeMap<Sha256, SystemTime> = BTreeMap::new();
    let mut order = Vec::new();
    for info in layers {
        let last_used = uses.get(&info.key).copied().unwrap_or(info.last_used);
        if let Some(image) = info.meta.as_ref().and_then(|meta| meta.image) {
            later(image_uses.entry(image).or_insert(last_used), last_used);
        }
        order.push((last_used, chain(info.key).count(), Item::Layer(Box::new(info))));
    }
    for image in images {
        let mut last_used = image.last_used;
        if let Some(use_of_layer) = image.sha256.and_then(|sha256| image_uses.get(&sha256)) {
            later(&mut last_used, *use_of_layer);
        }
        order.push((last_used, 0, Item::Image(image)));
    }
    order.sort_by_key(|(last_used, depth, _)| (*last_used, std::cmp::Reverse(*depth)));
    order.into_iter().map(|(last_used, _, item)| (last_used, item)).collect()
}

fn later(time: &mut SystemTime, other: SystemTime) {
    *time = other.max(*time);
}

#[cfg(test)]
mod tests {
    use std::path::PathBuf;

    use super::*;
    use crate::layer::LayerMeta;

    const DAY: u64 = 24 * 3600;

    fn key(name: &str) -> LayerKey {
        LayerKey::of(name)
    }

    fn days_ago(days: u64) -> SystemTime {
        now() - Duration::from_secs(days * DAY)
    }

    fn now() -> SystemTime {
        SystemTime::UNIX_EPOCH + Duration::from_secs(20_000 * DAY)
    }

    /// Returns a layer of ten bytes.
    fn layer(name: &str, parent: Option<&str>, days: u64) -> LayerInfo {
        let meta = LayerMeta {
            parent: parent.map(key),
            parent_sha256: None,
            image: parent.is_none().then(|| Sha256::of(b"used")),
            size: 10,
            sha256: Sha256::of(name.as_bytes()),
            created: String::new(),
            seconds: 1.0,
            step: name.to_owned(),
            image_name: "test".to_owned(),
            facts: serde_json::Value::Null,
            extras: BTreeMap::new(),
        };
        LayerInfo {
            key: key(name),
            state: LayerState::Complete,
            bytes: 10,
            last_used: days_ago(days),
            meta: Some(meta),
        }
    }

    /// Returns an image of 100 bytes.
    fn image(name: &str, days: u64) -> ImageFile {
        let sha256 = Sha256::of(name.as_bytes());
        ImageFile {
            path: PathBuf::new(),
            name: name.to_owned(),
            sha256: Some(sha256),
            bytes: 100,
            last_used: days_ago(days),
        }
    }

    /// Returns the layers base(90) <- packages(90) <- { old(40), new(2) }; base(90) <- other(20).
    fn layers() -> Vec<LayerInfo> {
        vec![
            layer("base", None, 90),
            layer("packages", Some("base"), 90),
            layer("old", Some("packages"), 40),
            layer("new", Some("packages"), 2),
            layer("other", Some("base"), 20),
        ]
    }

    fn age(days: u64) -> GcPolicy {
        GcPolicy { max_age: Some(Duration::from_secs(days * DAY)), ..GcPolicy::default() }
    }

    fn size(bytes: u64) -> GcPolicy {
        GcPolicy { max_bytes: Some(bytes), ..GcPolicy::default() }
    }

    #[test]
    fn the_policy_decides_and_parents_in_use_stay() {
        let all = GcPolicy { all: true, ..GcPolicy::default() };
        for (policy, layers_gone, images_gone) in [
            (GcPolicy::default(), "", ""),
            (age(100), "", ""),
            (age(30), "old", "unused"),
            (age(10), "old other", "unused"),
            (age(1), "old other new packages base", "unused used"),
            (size(250), "", ""),
            (size(245), "", "unused"),
            (size(150), "", "unused"),
            (size(145), "old", "unused"),
            (size(130), "old other", "unused"),
            (size(125), "old other new", "unused"),
            (size(105), "old other new packages base", "unused"),
            (size(0), "old other new packages base", "unused used"),
            (all, "old other new packages base", "unused used"),
        ] {
            let decision = decide(layers(), vec![image("used", 90), image("unused", 50)], policy, now());
            let gone: Vec<_> = decision.layers.iter().flat_map(|info| &info.meta).map(|m| m.step.as_str()).collect();
            assert_eq!(gone.join(" "), layers_gone, "{policy:?}");
            let gone: Vec<_> = decision.images.iter().map(|image| image.name.as_str()).collect();
            assert_eq!(gone.join(" "), images_gone, "{policy:?}");
            assert_eq!(decision.kept, 5 - decision.layers.len(), "{policy:?}");
        }
    }

    #[test]
    fn leftovers_always_go_and_work_in_progress_never() {
        for policy in [GcPolicy::default(), GcPolicy { all: true, ..GcPolicy::default() }] {
            let partial = LayerInfo { state: LayerState::Partial, meta: None, ..layer("partial", None, 0) };
            let making = LayerInfo { state: LayerState::Making, meta: None, ..layer("making", None, 90) };
            let decision = decide(vec![partial, making], Vec::new(), policy, now());
            assert_eq!(decision.partial.len(), 1);
            assert_eq!(decision.partial[0].key, key("partial"));
            assert!(decision.layers.is_empty());
            assert_eq!(decision.kept, 1);
        }
    }
}
