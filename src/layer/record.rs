//! Layers that are complete, and what `layer.json` records of them.

use std::collections::BTreeMap;
use std::fs::File;
use std::path::{Path, PathBuf};

use serde::{Deserialize, Serialize};

use super::key::LayerKey;
use crate::digest::Sha256;
use crate::fsx::{IoContext as _, PathError};

/// A layer that is complete.
#[derive(Debug, Clone)]
pub struct Layer {
    /// Its key.
    pub key: LayerKey,
    /// Its qcow2 file; the backing chain is complete.
    pub disk: PathBuf,
    /// What `layer.json` says.
    pub meta: LayerMeta,
}

/// `layer.json`.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub struct LayerMeta {
    /// Layer this one is an overlay of.
    pub parent: Option<LayerKey>,
    /// Digest of that layer's `disk.qcow2`: an overlay fits the very file it was made on.
    pub parent_sha256: Option<Sha256>,
    /// Image of the image cache this one is an overlay of, by digest.
    pub image: Option<Sha256>,
    /// Size of `disk.qcow2` in bytes.
    pub size: u64,
    /// Digest of `disk.qcow2`.
    pub sha256: Sha256,
    /// When it was made, RFC 3339.
    pub created: String,
    /// Seconds its step took.
    pub seconds: f64,
    /// What the step is, for people: `configure sshd`.
    pub step: String,
    /// Name of the image it was made for.
    pub image_name: String,
    /// What was found on the disk when the layer was made, such as its packages.
    #[serde(default, skip_serializing_if = "serde_json::Value::is_null")]
    pub facts: serde_json::Value,
    /// What was taken out of the disk and lies beside it.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub extras: BTreeMap<Extra, ExtraMeta>,
}

/// What is known of a file beside a layer's disk.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct ExtraMeta {
    /// Size in bytes.
    pub size: u64,
    /// Digest.
    pub sha256: Sha256,
}

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
