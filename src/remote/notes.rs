//! What is remembered about a store from one run to the next, in the local cache.

use std::path::PathBuf;

use jiff::{SignedDuration, Timestamp};
use serde::{Deserialize, Serialize};

use super::cache::RemoteCache;
use crate::digest::Sha256;
use crate::fsx::write_private;

/// Directory below the cache with what is remembered about stores.
const NOTES: &str = "remote";

/// Time after which a store is asked again whether it keeps conditions: it may be another version by then.
const FORGOTTEN: SignedDuration = SignedDuration::from_hours(30 * 24);

/// What is remembered about a store.
#[derive(Debug, Clone, Copy, Default, Serialize, Deserialize)]
struct Notes {
    bytes_per_second: Option<f64>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    conditions: Option<Conditions>,
}

/// Whether a store keeps conditions of writes.
#[derive(Debug, Clone, Copy, Serialize, Deserialize)]
struct Conditions {
    kept: bool,
    asked: Timestamp,
}

impl RemoteCache {
    fn notes_file(&self) -> PathBuf {
        self.dir.join(NOTES).join(format!("{}.json", Sha256::of(self.store.address().as_bytes()).short()))
    }

    fn notes(&self) -> Notes {
        let text = std::fs::read(self.notes_file()).unwrap_or_default();
        serde_json::from_slice(&text).unwrap_or_default()
    }

    /// Changes the notes. It is no loss if that fails.
    fn note(&self, notes: Notes) {
        let _ = std::fs::create_dir_all(self.dir.join(NOTES));
        let _ = serde_json::to_vec(&notes).map(|text| write_private(&self.notes_file(), &text));
    }

    /// Returns how fast the store was last time.
    pub(super) fn bandwidth(&self) -> Option<f64> {
        self.notes().bytes_per_second.filter(|rate| rate.is_finite() && *rate > 0.0)
    }

    /// Remembers how fast the store is.
    pub(super) fn remember(&self, bytes_per_second: f64) {
        self.note(Notes { bytes_per_second: Some(bytes_per_second), ..self.notes() });
    }

    /// Returns whether the store kept conditions when it was asked last.
    pub(super) fn known_conditions(&self) -> Option<bool> {
        let Conditions { kept, asked } = self.notes().conditions?;
        let age = Timestamp::now().duration_since(asked);
        (age >= SignedDuration::ZERO && age < FORGOTTEN).then_some(kept)
    }

    /// Remembers whether the store keeps conditions.
    pub(super) fn remember_conditions(&self, kept: bool) {
        self.note(Notes { conditions: Some(Conditions { kept, asked: Timestamp::now() }), ..self.notes() });
    }
}
