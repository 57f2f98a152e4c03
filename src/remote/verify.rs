//! Lists the layers of a store, and checks them.

use std::collections::BTreeMap;
use std::time::SystemTime;

use super::blob::{self, Blob, Content};
use super::cache::RemoteCache;
use super::error::RemoteError;
use super::find;
use super::lease;
use super::record::{self, Record};
use super::refusal::Refusal;
use crate::digest::Sha256;
use crate::fsx::IoContext as _;
use crate::interrupt::Interrupt;
use crate::layer::LayerKey;

/// A layer in the store.
#[derive(Debug, Clone)]
pub struct RemoteLayer {
    /// Key of the layer.
    pub key: LayerKey,
    /// Its record, or why it does not count.
    pub record: Result<Record, Refusal>,
    /// When it was last written or used.
    pub last_used: SystemTime,
}

/// A layer that a machine is making now, or was making when it died.
#[derive(Debug, Clone, serde::Serialize)]
pub struct RemoteLease {
    /// Key of the layer.
    pub key: LayerKey,
    /// Name of the machine; may be empty.
    pub machine: String,
    /// Whether the layer is made, and being uploaded.
    pub uploads: bool,
    /// When the machine said so last, on the clock of the store.
    #[serde(skip)]
    pub renewed: SystemTime,
}

/// A layer of the store that no build can use.
#[derive(Debug, Clone, PartialEq, Eq, serde::Serialize)]
pub struct RemoteFinding {
    /// Key of the layer.
    pub layer: LayerKey,
    /// What is wrong.
    pub problem: String,
}

impl RemoteCache {
    /// Returns all layers of the store, most recently used first.
    ///
    /// # Errors
    ///
    /// If the store fails.
    pub fn list(&self, interrupt: &Interrupt) -> Result<Vec<RemoteLayer>, RemoteError> {
        let mut layers = Vec::new();
        for listed in self.store.list(record::FOLDER)? {
            if interrupt.is_raised() {
                return Err(RemoteError::Interrupted);
            }
            // Anything else there is not ours.
            let Some(key) = LayerKey::parse(&listed.name) else { continue };
            // Another machine may have removed it just now.
            let Some(read) = find::read(&*self.store, &self.trusted, &key, interrupt)? else { continue };
            layers.push(RemoteLayer { key, record: read.record, last_used: listed.modified });
        }
        for at in 0..layers.len() {
            let Ok(record) = &layers[at].record else { continue };
            let Some(parent) = record.layer.parent else { continue };
            let below = layers.iter().find(|layer| layer.key == parent).and_then(|layer| layer.record.as_ref().ok());
            if below.map(|below| below.layer.sha256) != record.layer.parent_sha256 {
                layers[at].record = Err(Refusal::Parent);
            }
        }
        layers.sort_by_key(|layer| std::cmp::Reverse(layer.last_used));
        Ok(layers)
    }

    /// Returns the layers that machines are making.
    ///
    /// # Errors
    ///
    /// If the store fails.
    pub fn leases(&self, interrupt: &Interrupt) -> Result<Vec<RemoteLease>, RemoteError> {
        let mut leases = Vec::new();
        for listed in self.store.list(lease::FOLDER)? {
            if interrupt.is_raised() {
                return Err(RemoteError::Interrupted);
            }
            let Some(key) = LayerKey::parse(&listed.name) else { continue };
            // It may have been given back just now.
            let Some(found) = lease::read(&*self.store, &key)? else { continue };
            let (machine, uploads) =
                found.content.map(|content| (content.machine, content.made.is_some())).unwrap_or_default();
            leases.push(RemoteLease { key, machine, uploads, renewed: listed.modified });
        }
        Ok(leases)
    }

    /// Reads every blob of every layer, and compares it with its record. `on_progress` receives the number of bytes that were read
    /// so far, and the total.
    ///
    /// # Errors
    ///
    /// If the store fails.
    pub fn verify(
        &self,
        interrupt: &Interrupt,
        on_progress: &mut dyn FnMut(u64, u64),
    ) -> Result<Vec<RemoteFinding>, RemoteError> {
        let mut findings = Vec::new();
        let mut wanted: BTreeMap<Sha256, Vec<(LayerKey, Blob, Content)>> = BTreeMap::new();
        for RemoteLayer { key, record, .. } in self.list(interrupt)? {
            match record {
                Ok(record) => {
                    let meta = &record.layer;
                    let disk = Content { size: meta.size, sha256: meta.sha256 };
                    let mut files = vec![(record.blobs.disk, Some(disk))];
                    for (extra, blob) in &record.blobs.extras {
                        let kept = meta.extras.get(extra);
                        files.push((*blob, kept.map(|kept| Content { size: kept.size, sha256: kept.sha256 })));
                    }
                    for (blob, content) in files {
                        match content {
                            Some(content) => wanted.entry(blob.sha256).or_default().push((key, blob, content)),
                            None => findings.push(finding(key, "it has no digest of one of its files")),
                        }
                    }
                }
                Err(refusal) => findings.push(finding(key, &refusal.to_string())),
            }
        }
        let total = wanted.values().flat_map(|uses| uses.first()).map(|(_, blob, _)| blob.size).sum();
        let mut done = 0;
        let tmp = self.dir.join("tmp");
        std::fs::create_dir_all(&tmp).at(&tmp)?;
        for uses in wanted.values() {
            let Some((_, blob, content)) = uses.first() else { continue };
            let file = tempfile::tempfile_in(&tmp).at(&tmp)?;
            let checked = match self.store.get(&blob.name(), interrupt)? {
                None => Err(RemoteError::Missing(blob.name())),
                Some(found) => {
                    let mut on_bytes = |bytes| {
                        done += bytes;
                        on_progress(done, total);
                    };
                    blob::unpack(blob, found.content, *content, &tmp, &file, interrupt, &mut on_bytes)
                }
            };
            match checked {
                Ok(()) => {}
                Err(error) if error.is_about_one_layer() => {
                    findings.extend(uses.iter().map(|(key, ..)| finding(*key, &error.to_string())));
                }
                Err(error) => return Err(error),
            }
        }
        findings.sort_by_key(|finding| finding.layer);
        Ok(findings)
    }
}

fn finding(layer: LayerKey, problem: &str) -> RemoteFinding {
    RemoteFinding { layer, problem: problem.to_owned() }
}
