//! A file of an image, as a listing has it.

/// Most files that are listed.
pub const LIST_LIMIT: usize = 4_000_000;

/// A file of an image, as a listing has it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Entry {
    /// Absolute path; no part of it is a link but the last.
    pub path: Box<str>,
    /// What it is.
    pub kind: FileKind,
    /// Permission bits, with those for set-user-ID, set-group-ID and sticky.
    pub mode: u32,
    /// Number of its owner.
    pub uid: u32,
    /// Number of its group.
    pub gid: u32,
    /// Length in bytes.
    pub size: u64,
    /// Bytes that it takes on the disk; 0 for all names of a file but the first.
    pub stored: u64,
    /// What a symbolic link points at.
    pub target: Option<Box<str>>,
}

/// Kind of a file.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum FileKind {
    /// A regular file.
    File,
    /// A directory.
    Directory,
    /// A symbolic link.
    Symlink,
    /// A device, socket or pipe.
    Special,
}
