//! What changed between two images.
//!
//! [`compare`] is a pure function of two [`Snapshot`]s; [`gather()`] takes one through a guest. Compared is what the images
//! are, not when they were made: times of files are left out, as are the places of files on the disk, and so is what
//! lies outside of file systems that the image mounts.

pub mod archive;
mod content;
mod facts;
mod files;
mod gather;

use std::collections::BTreeMap;

use serde::Serialize;
use serde_json::{Map, Value};

use crate::digest::Sha256;

pub use facts::SECTIONS;
pub use files::{FileChange, Ignored};
pub use gather::{GatherError, Gathered, Snapshot, gather};

/// A file of an image.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct File {
    /// Absolute path; any bytes but zero.
    pub path: Box<[u8]>,
    /// Its kind. Another name of a file (a hard link) is a file of its own here.
    pub kind: Kind,
    /// Permission bits, with those for set-user-ID, set-group-ID and sticky.
    pub mode: u32,
    /// Number of its owner.
    pub uid: u64,
    /// Number of its group.
    pub gid: u64,
    /// Length in bytes of a regular file, else 0.
    pub size: u64,
    /// What a symbolic link points at.
    pub target: Option<Box<[u8]>>,
    /// Major and minor number of a device.
    pub device: Option<(u32, u32)>,
    /// Digest of the content of a regular file.
    pub sha256: Option<Sha256>,
    /// Extended attributes, with capabilities, access control lists and security labels.
    pub attributes: BTreeMap<Vec<u8>, Vec<u8>>,
    /// Where in its archive the content begins.
    pub offset: u64,
}

/// Kind of a file. Sockets are in no archive: whoever made one makes it again.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "kebab-case")]
pub enum Kind {
    /// A regular file.
    File,
    /// A directory.
    Directory,
    /// A symbolic link.
    Symlink,
    /// A character device.
    CharacterDevice,
    /// A block device.
    BlockDevice,
    /// A named pipe.
    Fifo,
}

impl Kind {
    /// Name for people.
    pub fn name(self) -> &'static str {
        match self {
            Self::File => "file",
            Self::Directory => "directory",
            Self::Symlink => "link",
            Self::CharacterDevice => "character device",
            Self::BlockDevice => "block device",
            Self::Fifo => "named pipe",
        }
    }
}

/// Files of an image, sorted by path.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Files(pub(in crate::diff) Vec<File>);

impl Files {
    /// Number of files.
    pub fn len(&self) -> usize {
        self.0.len()
    }

    /// Whether there is none.
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }
}

impl FromIterator<File> for Files {
    fn from_iter<I: IntoIterator<Item = File>>(files: I) -> Self {
        let mut files: Vec<_> = files.into_iter().collect();
        files.sort_by(|a, b| a.path.cmp(&b.path));
        Self(files)
    }
}

/// What was added, removed or changed.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct Change {
    /// Name of what it is, within its section: a package, a unit, a partition's number.
    pub name: String,
    /// Properties in the first image; `null` if it is not there. Of a thing that changed, those that did.
    pub before: Option<Map<String, Value>>,
    /// Properties in the second image, likewise.
    pub after: Option<Map<String, Value>>,
}

/// How something changed.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum How {
    /// It is in the second image only.
    Added,
    /// It is in the first image only.
    Removed,
    /// It is in both, and differs.
    Changed,
}

impl How {
    fn of<T>(before: Option<&T>, after: Option<&T>) -> Self {
        match (before, after) {
            (None, _) => Self::Added,
            (_, None) => Self::Removed,
            _ => Self::Changed,
        }
    }
}

impl Change {
    /// How it changed.
    pub fn how(&self) -> How {
        How::of(self.before.as_ref(), self.after.as_ref())
    }
}

/// Changes of one kind.
#[derive(Debug, Clone, PartialEq)]
pub struct Section {
    /// What they are changes of, as the key of `goldsmith diff --json`: `packages`.
    pub name: &'static str,
    /// The changes, sorted by name.
    pub changes: Vec<Change>,
}

/// All that differs between two images.
#[derive(Debug, Clone, PartialEq)]
pub struct Difference<'a> {
    /// Facts about the disks and their systems, in the order of [`SECTIONS`]. A section without a change is left out.
    pub sections: Vec<Section>,
    /// Files, sorted by path.
    pub files: Vec<FileChange<'a>>,
}

impl Difference<'_> {
    /// Whether the images are the same.
    pub fn is_empty(&self) -> bool {
        self.sections.is_empty() && self.files.is_empty()
    }
}

/// Compares two images; files that are ignored may differ.
pub fn compare<'a>(before: &'a Snapshot, after: &'a Snapshot, ignored: &Ignored) -> Difference<'a> {
    Difference {
        sections: facts::compare((&before.system, before.size), (&after.system, after.size)),
        files: files::compare(&before.files, &after.files, ignored),
    }
}

/// Differences of two things with properties; `None` if there is none.
fn change(name: &str, before: Option<&Map<String, Value>>, after: Option<&Map<String, Value>>) -> Option<Change> {
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
