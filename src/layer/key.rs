//! The type of a layer's key.

use std::fmt;

use serde::{Deserialize, Serialize};

use crate::digest::Sha256;

/// The key of a layer: the digest of everything that may change its content.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(transparent)]
pub struct LayerKey(Sha256);

impl LayerKey {
    /// Returns the key of the canonical JSON of a step's ingredients.
    pub fn of(canonical: &str) -> Self {
        Self(Sha256::of(canonical.as_bytes()))
    }

    /// Reads the 64 hexadecimal digits of a key.
    pub fn parse(text: &str) -> Option<Self> {
        Sha256::parse(text).map(Self)
    }

    /// Returns the first twelve digits, for people.
    pub fn short(&self) -> String {
        self.0.short()
    }

    /// Returns the digest itself.
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
