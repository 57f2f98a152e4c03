//! Complete layers, and the format of `layer.json`.

use std::collections::BTreeMap;
use std::fs::File;
use std::path::{Path, PathBuf};

use serde::{Deserialize, Serialize};

use super::key::LayerKey;
use crate::digest::Sha256;
use crate::fsx::{IoContext as _, PathError};

/// A complete layer.
#[derive(Debug, Clone)]
pub struct Layer {
    /// Key of the layer.
    pub key: LayerKey,
    /// qcow2 file of the layer; its backing chain is complete.
    pub disk: PathBuf,
    /// Content of `layer.json`.
    pub meta: LayerMeta,
}

/// The content of `layer.json`.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub struct LayerMeta {
    /// Parent layer, which this one is an overlay of.
    pub parent: Option<LayerKey>,
    /// Digest of the parent's `disk.qcow2`: an overlay fits only this file.
    pub parent_sha256: Option<Sha256>,
    /// Digest of the base image that this layer is an overlay of.
    pub image: Option<Sha256>,
    /// Size of `disk.qcow2` in bytes.
    pub size: u64,
    /// Digest of `disk.qcow2`.
    pub sha256: Sha256,
    /// Time of creation, RFC 3339.
    pub created: String,
    /// Duration of the step, in seconds.
    pub seconds: f64,
    /// Name of the step, for people: `configure sshd`.
    pub step: String,
    /// Name of the image that the layer was made for.
    pub image_name: String,
    /// Facts about the disk, such as its packages.
    #[serde(default, skip_serializing_if = "serde_json::Value::is_null")]
    pub facts: serde_json::Value,
    /// Files that were extracted from the disk, beside it.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub extras: BTreeMap<Extra, ExtraMeta>,
}

/// The metadata of an extracted file.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct ExtraMeta {
    /// Size in bytes.
    pub size: u64,
    /// SHA-256 of the file.
    pub sha256: Sha256,
}

/// A file that can be extracted from a layer's disk.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Extra {
    /// All files of the image, as a tar file.
    Tree,
    /// The kernel that boots by default.
    Kernel,
    /// The initial RAM disk of this kernel.
    Initrd,
}

impl Extra {
    /// Returns the name of the file in the layer's directory.
    pub fn file(self) -> &'static str {
        match self {
            Self::Tree => "tree.tar",
            Self::Kernel => "vmlinuz",
            Self::Initrd => "initrd",
        }
    }
}

impl Layer {
    /// Returns the path of an extracted file, if it has the size in `layer.json`.
    pub fn extra(&self, extra: Extra) -> Option<PathBuf> {
        let meta = self.meta.extras.get(&extra)?;
        let path = self.disk.parent()?.join(extra.file());
        (std::fs::metadata(&path).ok()?.len() == meta.size).then_some(path)
    }
}

/// The result of an extraction.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct Extracted {
    /// Extracted files. They have their names in the directory of the extraction.
    pub extras: Vec<Extra>,
    /// A JSON object whose keys are added to the layer's facts; `null` for none.
    pub facts: serde_json::Value,
}

/// Syncs files of a layer's directory to the disk, and returns their sizes and digests.
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
