//! Stores pins: the versions that changing inputs had at some time.
//!
//! A recent pin is used again, and without a network, the last one is used. Each is a JSON file `<cache>/pins/<digest>.json`,
//! named by the digest of its subject.

use std::path::Path;
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use serde::de::DeserializeOwned;
use serde::{Deserialize, Serialize};

use crate::address;
use crate::digest::Sha256;
use crate::fsx::{IoContext as _, PathError, write_private};

/// The rules for using an earlier pin.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct PinPolicy {
    /// Largest age of an earlier pin.
    pub max_age: Duration,
    /// Use no pin from before this time. The images of one run have the same time, so they share new pins.
    pub newer_than: Option<SystemTime>,
    /// Use the last pin of any age, and never use the network.
    pub offline: bool,
}

/// The content of a pin file.
#[derive(Serialize, Deserialize)]
struct Stored<T> {
    /// The pinned input, for people.
    subject: String,
    /// The time of the pin, in seconds since 1970.
    taken: f64,
    pin: T,
}

/// Finds an earlier pin that the policy accepts.
pub(crate) fn find<T: DeserializeOwned>(cache: &Path, subject: &str, policy: &PinPolicy) -> Option<T> {
    forget_secrets(cache);
    // A file that cannot be read counts as missing: the input is pinned again.
    let content = std::fs::read(path(cache, subject)).ok()?;
    let stored: Stored<T> = serde_json::from_slice(&content).ok()?;
    // A pin from the future was made with a wrong clock.
    let aged = (0.0..=policy.max_age.as_secs_f64()).contains(&(now() - stored.taken));
    let fresh = aged && policy.newer_than.is_none_or(|time| stored.taken > since_1970(time));
    (policy.offline || fresh).then_some(stored.pin)
}

/// Stores a pin.
pub(crate) fn store<T: Serialize>(cache: &Path, subject: &str, pin: &T) -> Result<(), PathError> {
    let path = path(cache, subject);
    let directory = cache.join("pins");
    std::fs::create_dir_all(&directory).at(&directory)?;
    let stored = Stored { subject: without_secrets(subject), taken: now(), pin };
    let content = serde_json::to_vec_pretty(&stored).map_err(std::io::Error::from).at(&path)?;
    write_private(&path, &content)
}

/// Returns the subject without secrets in its addresses.
fn without_secrets(subject: &str) -> String {
    subject.split(' ').map(address::shown).collect::<Vec<_>>().join(" ")
}

/// Removes pins with logins or queries in addresses, which earlier versions stored.
fn forget_secrets(cache: &Path) {
    let files = std::fs::read_dir(cache.join("pins")).into_iter().flatten().flatten().map(|entry| entry.path());
    for file in files.filter(|file| file.extension().is_some_and(|extension| extension == "json")) {
        // Ignores files that are no pins, and pins that cannot be removed because they belong to another user.
        let content = std::fs::read(&file).ok();
        let stored = content.and_then(|content| serde_json::from_slice::<Stored<serde_json::Value>>(&content).ok());
        if stored.is_some_and(|stored| without_secrets(&stored.subject) != stored.subject) {
            let _ = std::fs::remove_file(&file);
        }
    }
}

fn path(cache: &Path, subject: &str) -> std::path::PathBuf {
    cache.join("pins").join(format!("{}.json", Sha256::of(subject.as_bytes()).short()))
}

fn now() -> f64 {
    since_1970(SystemTime::now())
}

fn since_1970(time: SystemTime) -> f64 {
    time.duration_since(UNIX_EPOCH).map_or(0.0, |elapsed| elapsed.as_secs_f64())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_secret_in_an_address_is_not_stored() {
        let cache = tempfile::tempdir().expect("temporary directory");
        let policy = PinPolicy { max_age: Duration::from_secs(60), newer_than: None, offline: false };
        let subject = "https://h/SHA256SUMS?sig=secret for https://me:secret@h/a?sig=secret";
        store(cache.path(), subject, &7).expect("store");
        let file = path(cache.path(), subject);
        let text = std::fs::read_to_string(&file).expect("pin");
        assert!(!text.contains("secret") && text.contains("https://h/SHA256SUMS for https://h/a"), "{text}");
        assert_eq!(find::<u32>(cache.path(), subject, &policy), Some(7));
        let old = file.with_file_name("old.json");
        std::fs::write(&old, text.replace("https://h/a", "https://me:secret@h/a")).expect("write");
        assert_eq!(find::<u32>(cache.path(), "another", &policy), None);
        assert!(!old.exists() && file.exists());
    }

    #[test]
    fn the_policy_decides_which_pin_serves() {
        let cache = tempfile::tempdir().expect("temporary directory");
        let before = SystemTime::now();
        let policy =
            |max_age, newer_than, offline| PinPolicy { max_age: Duration::from_secs(max_age), newer_than, offline };
        assert_eq!(find::<u32>(cache.path(), "x", &policy(60, None, true)), None);
        store(cache.path(), "x", &7).expect("store");
        let after = SystemTime::now();
        for (policy, found) in [
            (policy(60, None, false), Some(7)),
            (policy(60, Some(before), false), Some(7)),
            (policy(60, Some(after), false), None),
            (policy(0, Some(after), true), Some(7)),
        ] {
            assert_eq!(find::<u32>(cache.path(), "x", &policy), found, "{policy:?}");
        }
        assert_eq!(find::<u32>(cache.path(), "y", &policy(60, None, false)), None);
        let file = path(cache.path(), "x");
        let text = std::fs::read_to_string(&file).expect("pin");
        let future = format!("\"taken\": {}", now() + 1000.0);
        let old =
            text.lines().find(|line| line.contains("taken")).expect("time").trim().trim_end_matches(',').to_owned();
        std::fs::write(&file, text.replace(&old, &future)).expect("write");
        assert_eq!(find::<u32>(cache.path(), "x", &policy(60, None, false)), None, "a pin of the future");
    }
}
