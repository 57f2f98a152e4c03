//! Compares two images.

use super::difference::Difference;
use super::facts;
use super::files::{self, Ignored};
use super::gather::Snapshot;

/// Compares two images; files that are ignored may differ.
pub fn compare<'a>(before: &'a Snapshot, after: &'a Snapshot, ignored: &Ignored) -> Difference<'a> {
    Difference {
        sections: facts::compare((&before.system, before.size), (&after.system, after.size)),
        files: files::compare(&before.files, &after.files, ignored),
    }
}
