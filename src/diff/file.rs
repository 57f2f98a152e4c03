//! Files of an image, as a comparison sees them.

use std::collections::BTreeMap;

use serde::Serialize;

use crate::digest::Sha256;

/// A file of an image.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct File {
    /// Absolute path; any bytes but zero.
    pub path: Box<[u8]>,
    /// Kind of the file. A second name of a file (a hard link) is a separate file here.
    pub kind: Kind,
    /// Permission bits, with those for set-user-ID, set-group-ID and sticky.
    pub mode: u32,
    /// User id of the owner.
    pub uid: u64,
    /// Group id of the file.
    pub gid: u64,
    /// Length in bytes of a regular file, else 0.
    pub size: u64,
    /// Target of a symbolic link.
    pub target: Option<Box<[u8]>>,
    /// Major and minor number of a device.
    pub device: Option<(u32, u32)>,
    /// Digest of the content of a regular file.
    pub sha256: Option<Sha256>,
    /// Extended attributes, with capabilities, access control lists and security labels.
    pub attributes: BTreeMap<Vec<u8>, Vec<u8>>,
    /// Offset of the content in the archive, in bytes.
    pub offset: u64,
}

/// The kind of a file. Archives have no sockets: programs make their sockets again.
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
    /// Returns the name for people.
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
    /// Returns the number of files.
    pub fn len(&self) -> usize {
        self.0.len()
    }

    /// Returns whether there are no files.
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
