//! Changes between two images: the things that were added, removed or changed.

use serde::Serialize;
use serde_json::{Map, Value};

/// A thing that was added, removed or changed.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct Change {
    /// Name of the thing within its section: a package, a unit, a partition's number.
    pub name: String,
    /// Properties in the first image; `null` if the thing is not there. If the thing changed, only the changed properties.
    pub before: Option<Map<String, Value>>,
    /// Properties in the second image, likewise.
    pub after: Option<Map<String, Value>>,
}

/// The kind of a change.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum How {
    /// The thing is in the second image only.
    Added,
    /// The thing is in the first image only.
    Removed,
    /// The thing is in both images, and differs.
    Changed,
}

impl How {
    pub(super) fn of<T>(before: Option<&T>, after: Option<&T>) -> Self {
        match (before, after) {
            (None, _) => Self::Added,
            (_, None) => Self::Removed,
            _ => Self::Changed,
        }
    }
}

impl Change {
    /// Returns the kind of the change.
    pub fn how(&self) -> How {
        How::of(self.before.as_ref(), self.after.as_ref())
    }
}

/// Compares two things with properties; `None` if they are the same.
pub(super) fn change(
    name: &str,
    before: Option<&Map<String, Value>>,
    after: Option<&Map<String, Value>>,
) -> Option<Change> {
    let name = name.to_owned();
    let (Some(a), Some(b)) = (before, after) else {
        return Some(Change { name, before: before.cloned(), after: after.cloned() });
    };
    let keys: Vec<_> = a.keys().chain(b.keys().filter(|key| !a.contains_key(*key))).collect();
    let mut changed = (Map::new(), Map::new());
    for key in keys.into_iter().filter(|key| a.get(*key) != b.get(*key)) {
        changed.0.insert(key.clone(), a.get(key).cloned().unwrap_or_default());
        changed.1.insert(key.clone(), b.get(key).cloned().unwrap_or_default());
    }
    (!changed.0.is_empty()).then_some(Change { name, before: Some(changed.0), after: Some(changed.1) })
}

/// Changes of one kind.
#[derive(Debug, Clone, PartialEq)]
pub struct Section {
    /// Key of the section in `goldsmith diff --json`: `packages`.
    pub name: &'static str,
    /// The changes, sorted by name.
    pub changes: Vec<Change>,
}
