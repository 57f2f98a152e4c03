//! An import on its way.

use serde::Deserialize;

/// How far an import is, as far as the service tells.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Progress {
    /// Stores that the data goes to.
    pub stores: u64,
    /// Stores that it has arrived in, or will not arrive in.
    pub settled: u64,
    /// Bytes that the present store has, to the mebibyte.
    pub copied: u64,
}

impl Progress {
    /// Bytes that are written and that are to be written, of data of this size.
    pub fn bytes(&self, size: u64) -> (u64, u64) {
        let total = self.stores.max(1) * size;
        ((self.settled * size + self.copied.min(size)).min(total), total)
    }
}

/// A task of the service.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
pub struct Task {
    /// Its identity.
    pub id: String,
    /// `pending`, `processing`, `success`, `failure`.
    pub status: String,
    /// What it says of itself, for people.
    #[serde(default)]
    pub message: Option<String>,
    /// When it was made, ISO 8601.
    #[serde(default)]
    pub created_at: Option<String>,
    /// When it was changed.
    #[serde(default)]
    pub updated_at: Option<String>,
}
