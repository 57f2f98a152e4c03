//! Files of an image, as a comparison sees them.

use std::collections::BTreeMap;

use serde::Serialize;

use crate::digest::Sha256;

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
