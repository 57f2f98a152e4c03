//! The layer store: what every step left behind, found by what went into it.
//!
//! # On disk
//!
//! ```text
//! <root>/store.json                {"version":1}
//! <root>/lock                      empty; shared by everyone who has the store open
//! <root>/layers/<key>/disk.qcow2   what one step changed
//! <root>/layers/<key>/key.json     what the key was made of
//! <root>/layers/<key>/layer.json   what the layer is; written last
//! <root>/layers/<key>/lock         empty; held alone by whoever makes the layer
//! <root>/layers/<key>/tree.tar, vmlinuz, initrd   what was taken out of the disk, where it was wanted
//! <root>/layers/<key>/used         empty; its time stamp is the last use
//! <root>/images/<sha256>           base images, also with the extension .qcow2 or .raw
//! <root>/images/<sha256>.disk.qcow2   what a base image of another format became; .disk.sha256 has its digest
//! ```
//!
//! A store whose version is higher than the one known here is refused, never guessed at. Changing
//! what any of these files means is a new version.
//!
//! **Keys.** A key is the SHA-256 of canonical JSON ([`canonical`]): keys sorted, no white space.
//! `key.json` is that very text, so `sha256sum key.json` prints the name of its directory.
//!
//! **A layer exists** when `layer.json` can be read, `disk.qcow2` has the size it records, and the
//! same is true of its parent and so on down to a layer without one, or to a base image. Everything
//! else is absent: it is made again, and what is in its directory is removed first. `layer.json` appears
//! atomically after `disk.qcow2` has reached the disk, so a crash at any moment leaves a layer that is
//! whole or absent.
//!
//! **A layer belongs to one parent file**, not just to one key: an overlay on top of another
//! build of the same step is garbage. `layer.json` therefore records the digest of the parent's
//! `disk.qcow2`; when a parent is made again with different bytes, its children are absent. For the
//! same reason a layer can only be committed after its parent, and on the file it was begun on.
//!
//! **What was taken out of a disk** is kept beside it, so that making files of it needs no guest. `layer.json` names
//! it with its digest. It can be added later, by whoever holds the layer's lock; without it the layer is whole.
//!
//! **Backing paths** in the qcow2 headers are relative, `../<parent>/disk.qcow2` or
//! `../../images/<file>`, so a store can be moved.
//!
//! **Locks** are `flock`s, which the kernel releases when their holder dies. A layer's lock is held
//! alone from the miss to the commit ([`Slot`]); whoever else needs the layer waits for it. Claims go
//! from parent to child, so no two builds wait for each other. The store's lock is shared by builds; garbage
//! collection and repair hold it alone, so nothing is removed that a build has found.
//! A file that is removed is unlinked and never overwritten: what still has it open sees no change.

mod canonical;
mod error;
pub mod explain;
mod extra;
mod gc;
mod root;
mod slot;
mod store;
mod tree;
mod verify;

pub use canonical::canonical;
pub use error::StoreError;
pub use extra::{Extra, Extracted};
pub use gc::{GcPolicy, GcReport};
pub use root::prepare;
pub use slot::{NewLayer, Parent, Slot};
pub use store::{Lookup, Store};
pub use tree::{LayerInfo, LayerState};
pub use verify::{Finding, Problem, Subject};

use std::collections::BTreeMap;
use std::fmt;
use std::path::PathBuf;

use serde::{Deserialize, Serialize};

use crate::digest::Sha256;

/// Name of a layer: the digest of everything that may change its content.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(transparent)]
pub struct LayerKey(Sha256);

impl LayerKey {
    /// Key of the canonical JSON of a step.
    pub fn of(canonical: &str) -> Self {
        Self(Sha256::of(canonical.as_bytes()))
    }

    /// Reads the 64 hexadecimal digits of a key.
    pub fn parse(text: &str) -> Option<Self> {
        Sha256::parse(text).map(Self)
    }

    /// The first twelve digits, for people.
    pub fn short(&self) -> String {
        self.0.short()
    }

    /// The digest itself.
    pub fn digest(&self) -> &Sha256 {
        &self.0
    }
}

impl fmt::Display for LayerKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(f)
    }
}

impl fmt::Debug for LayerKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "LayerKey({})", self.short())
    }
}

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
