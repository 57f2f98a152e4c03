//! Compares two snapshots: their facts and their files.

use super::change::Section;
use super::facts;
use super::files::FileChange;
use super::files::{self, Ignored};
use super::gather::Snapshot;

/// Compares two images, except ignored files.
pub fn compare<'a>(before: &'a Snapshot, after: &'a Snapshot, ignored: &Ignored) -> Difference<'a> {
    Difference {
        sections: facts::compare((&before.system, before.size), (&after.system, after.size)),
        files: files::compare(&before.files, &after.files, ignored),
    }
}

/// All differences between two images.
#[derive(Debug, Clone, PartialEq)]
pub struct Difference<'a> {
    /// Facts about the disks and their systems, in the order of [`SECTIONS`](super::SECTIONS). A section without a change is left
    /// out.
    pub sections: Vec<Section>,
    /// Files, sorted by path.
    pub files: Vec<FileChange<'a>>,
}

impl Difference<'_> {
    /// Returns whether the images are the same.
    pub fn is_empty(&self) -> bool {
        self.sections.is_empty() && self.files.is_empty()
    }
}
