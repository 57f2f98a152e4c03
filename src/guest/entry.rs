//! One file in a list of an image's files.

/// Largest number of files in a list.
pub const LIST_LIMIT: usize = 4_000_000;

/// Largest number of files without a label of SELinux in a list.
pub const UNLABELLED_LIMIT: usize = 5000;

/// A file in a list of an image's files.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Entry {
    /// Absolute path; no part of it is a link but the last.
    pub path: Box<str>,
    /// The kind of the file.
    pub kind: FileKind,
    /// Permission bits, with those for set-user-ID, set-group-ID and sticky.
    pub mode: u32,
    /// Number of the owner.
    pub uid: u32,
    /// Number of the group.
    pub gid: u32,
    /// Length in bytes.
    pub size: u64,
    /// Bytes that it occupies on the disk; 0 for all further names of the same file.
    pub stored: u64,
    /// Target of a symbolic link.
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
