//! Pins: what floats, as it was when somebody looked.
//!
//! A pin that was just taken need not be taken again, and without a network the last one serves. Each is a JSON
//! file `<cache>/pins/<digest of what is pinned>.json`.

use std::path::Path;
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use serde::de::DeserializeOwned;
use serde::{Deserialize, Serialize};

use crate::digest::Sha256;
use crate::fsx::{IoContext as _, PathError, write_private};

/// When a pin is taken anew.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct PinPolicy {
    /// Age up to which an earlier pin serves.
    pub max_age: Duration,
    /// Take it anew in any case.
    pub refresh: bool,
    /// Use the last one, however old; never ask the network.
    pub offline: bool,
}

/// What a pin file holds.
#[derive(Serialize, Deserialize)]
struct Stored<T> {
    /// What is pinned, for people.
    subject: String,
    /// Seconds since 1970.
    taken: u64,
    pin: T,
}

/// Looks for an earlier pin that the policy lets pass.
pub(super) fn find<T: DeserializeOwned>(cache: &Path, subject: &str, policy: &PinPolicy) -> Option<T> {
    // A file that cannot be read is as good as none: the pin is taken anew.
    let content = std::fs::read(path(cache, subject)).ok()?;
    let stored: Stored<T> = serde_json::from_slice(&content).ok()?;
    // One from the future was taken by a wrong clock.
    let age = now().checked_sub(stored.taken);
    let fresh = !policy.refresh && age.is_some_and(|age| age <= policy.max_age.as_secs());
    (policy.offline || fresh).then_some(stored.pin)
}

/// Notes a pin.
pub(super) fn store<T: Serialize>(cache: &Path, subject: &str, pin: &T) -> Result<(), PathError> {
    let path = path(cache, subject);
    let directory = cache.join("pins");
    std::fs::create_dir_all(&directory).at(&directory)?;
    let stored = Stored { subject: subject.to_owned(), taken: now(), pin };
    let content = serde_json::to_vec_pretty(&stored).map_err(std::io::Error::from).at(&path)?;
    write_private(&path, &content)
}

fn path(cache: &Path, subject: &str) -> std::path::PathBuf {
    cache.join("pins").join(format!("{}.json", Sha256::of(subject.as_bytes()).short()))
}

fn now() -> u64 {
    SystemTime::now().duration_since(UNIX_EPOCH).map_or(0, |elapsed| elapsed.as_secs())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_policy_decides_which_pin_serves() {
        let cache = tempfile::tempdir().expect("temporary directory");
        let policy = |max_age, refresh, offline| PinPolicy { max_age: Duration::from_secs(max_age), refresh, offline };
        assert_eq!(find::<u32>(cache.path(), "x", &policy(60, false, true)), None);
        store(cache.path(), "x", &7).expect("store");
        for (policy, found) in
            [(policy(60, false, false), Some(7)), (policy(60, true, false), None), (policy(0, true, true), Some(7))]
        {
            assert_eq!(find::<u32>(cache.path(), "x", &policy), found, "{policy:?}");
        }
        assert_eq!(find::<u32>(cache.path(), "y", &policy(60, false, false)), None);
        let file = path(cache.path(), "x");
        let text = std::fs::read_to_string(&file).expect("pin");
        let future = format!("\"taken\": {}", now() + 1000);
        let old =
            text.lines().find(|line| line.contains("taken")).expect("time").trim().trim_end_matches(',').to_owned();
        std::fs::write(&file, text.replace(&old, &future)).expect("write");
        assert_eq!(find::<u32>(cache.path(), "x", &policy(60, false, false)), None, "a pin of the future");
    }
}
