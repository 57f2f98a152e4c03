//! The progress and the tasks of an import.

use serde::Deserialize;

/// The progress of an import, as far as the service reports it.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Progress {
    /// Number of stores that get the data.
    pub stores: u64,
    /// Number of stores that have got the data, or have failed.
    pub settled: u64,
    /// Bytes that the current store has got, rounded to MiB.
    pub copied: u64,
}

impl Progress {
    /// Returns the bytes that are written, and those in total, for data of this size.
    pub fn bytes(&self, size: u64) -> (u64, u64) {
        let total = self.stores.max(1) * size;
        ((self.settled * size + self.copied.min(size)).min(total), total)
    }
}

/// A task of the service.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
pub struct Task {
    /// Id of the task.
    pub id: String,
    /// Status: `pending`, `processing`, `success`, `failure`.
    pub status: String,
    /// Message for people.
    #[serde(default)]
    pub message: Option<String>,
    /// Time of creation, ISO 8601.
    #[serde(default)]
    pub created_at: Option<String>,
    /// Time of the last change.
    #[serde(default)]
    pub updated_at: Option<String>,
}
