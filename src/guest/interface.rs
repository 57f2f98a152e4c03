//! The trait [`Guest`] with all that a guest can do for a build, and the types of its calls.

use std::collections::BTreeMap;
use std::path::Path;

use super::command::{Command, Ended};
use super::devices::Devices;
use super::entry::{Entry, FileKind};
use super::error::GuestError;
use super::form;
use super::grow;
use super::inspection::Inspection;
use super::mount::Mount;
use super::terminal::Terminal;

/// A running guest.
///
/// Paths of files are absolute in the image. The guest resolves them within the image's own root, so they never leave it. All
/// calls are synchronous.
pub trait Guest {
    /// Attaches a qcow2 overlay as the image's disk, instead of the one before. Nothing may be mounted.
    fn attach(&mut self, disk: &Path) -> Result<(), GuestError>;

    /// Finds the operating system on the attached disk.
    fn inspect(&mut self) -> Result<Inspection, GuestError>;

    /// Finds the partitions and file systems of the attached disk. Used bytes are known only for mounted ones.
    fn devices(&mut self) -> Result<Devices, GuestError>;

    /// Returns the installed packages. The guest's own tools read them from the mounted image's database, and run no program of
    /// the image. The image must have been [inspected](Guest::inspect).
    fn packages(&mut self) -> Result<Vec<crate::base::Package>, GuestError>;

    /// Grows partitions, volumes and file systems of the attached disk, step by step. Nothing may be mounted.
    fn grow(&mut self, steps: &[grow::Step]) -> Result<(), GuestError>;

    /// Makes what only a kernel can make on the attached disk, step by step. Nothing may be mounted. `secrets` has the values of the
    /// secrets that the steps name.
    fn form(&mut self, steps: &[form::Step], secrets: &BTreeMap<String, Vec<u8>>) -> Result<(), GuestError>;

    /// Mounts file systems of the attached disk, in this order, and a tmpfs on `/run`.
    fn mount(&mut self, mounts: &[Mount]) -> Result<(), GuestError>;

    /// Unmounts everything, which writes all data to the disk.
    fn unmount(&mut self) -> Result<(), GuestError>;

    /// Freezes the attached overlay and continues writing to `next`, an overlay on top of it. File systems stay mounted; those in
    /// the frozen file are clean.
    fn freeze(&mut self, next: &Path) -> Result<(), GuestError>;

    /// Tells the disk which blocks of the mounted file systems are unused.
    fn trim(&mut self) -> Result<(), GuestError>;

    /// Runs a program, and reports its output immediately. A failed exit status is no error here.
    fn run(&mut self, command: &Command<'_>) -> Result<Ended, GuestError>;

    /// Returns whether programs can have the network. Only a guest with a step that needs it is started with one.
    fn has_network(&self) -> bool;

    /// Opens a shell on a terminal, with the image as its root, and waits until the user leaves it. Returns its exit status. It
    /// has no deadline, and network access if the guest has it.
    fn shell(&mut self, banner: &str, terminal: Terminal) -> Result<i32, GuestError>;

    /// Returns the free space of the file system that a path is on.
    fn free_space(&mut self, path: &str) -> Result<Space, GuestError>;

    /// Returns the paths that match a shell glob, sorted; links are not followed.
    fn glob(&mut self, pattern: &str) -> Result<Vec<String>, GuestError>;

    /// Returns the kind of a file, without following a link at the end of the path; `None` if it does not exist.
    fn kind(&mut self, path: &str) -> Result<Option<FileKind>, GuestError>;

    /// Returns the target of a symbolic link, unresolved; `None` if the path is no symbolic link.
    fn read_link(&mut self, path: &str) -> Result<Option<String>, GuestError>;

    /// Returns the content of a file of at most `limit` bytes; a longer file is an error.
    fn read(&mut self, path: &str, limit: u64) -> Result<Vec<u8>, GuestError>;

    /// Creates or replaces a file. An existing file keeps its mode and owner.
    fn write(&mut self, path: &str, content: &[u8]) -> Result<(), GuestError>;

    /// Copies a file of the host into the image.
    fn upload(&mut self, source: &Path, path: &str) -> Result<(), GuestError>;

    /// Copies a file of the image to the host. The file is not trusted: only its bytes are copied.
    fn download(&mut self, path: &str, target: &Path) -> Result<(), GuestError>;

    /// Unpacks a tar file of the host (`gzip`, `xz`, `zstd` or plain) into a directory of the image, and creates the directory if
    /// it is missing. An existing directory keeps its mode and owner. Attributes that the file system cannot hold are an error.
    fn unpack(&mut self, archive: &Path, compression: Option<&str>, path: &str) -> Result<(), GuestError>;

    /// Writes everything that is mounted to a tar file (POSIX.1-2001) of the host, and returns its length in bytes. Names are
    /// relative to the root and may begin with `./`. An existing file is replaced. Zeros may become holes.
    ///
    /// The same tree gives the same bytes: names are sorted, owners are numbers, times are whole seconds. Extended attributes are
    /// kept. The content of `/dev`, `/proc`, `/run` and `/sys` is left out.
    fn archive(&mut self, target: &Path) -> Result<u64, GuestError>;

    /// Lists all mounted files, in any order. `below` limits the list to these directories of the root with all in them, unless
    /// it is empty. The content of `/dev`, `/proc`, `/run` and `/sys` is left out.
    ///
    /// In a name that is not UTF-8, U+FFFD stands for the wrong bytes, and no call finds the file by this name. More files than
    /// the [limit](super::LIST_LIMIT) are an error: an image has so many only to do harm.
    fn list(&mut self, below: &[&str]) -> Result<Vec<Entry>, GuestError>;

    /// Lists mounted files that have no label of SELinux, at most [`UNLABELLED_LIMIT`](super::UNLABELLED_LIMIT); `None` if the guest
    /// cannot read labels. Files that [`Guest::list`] leaves out are missing here too, and file systems that hold no labels.
    fn unlabelled(&mut self) -> Result<Option<Vec<String>>, GuestError>;

    /// Returns the content of many regular files at once. Their paths are those of [`Guest::list`], and none of their directories
    /// may be a link. Files that cannot be read are left out; holes become zeros.
    fn contents(&mut self, files: &[&Entry]) -> Result<Vec<(String, Vec<u8>)>, GuestError>;

    /// Makes a directory and its parents. They belong to root and have the mode 0755, also in a directory with the set-group-ID
    /// bit. A link to a directory at the end of the path is an error: [`place`](super::place) finds the link's target.
    fn mkdir(&mut self, path: &str) -> Result<(), GuestError>;

    /// Removes a file, or a directory with all in it; a missing one is no error.
    fn remove(&mut self, path: &str) -> Result<(), GuestError>;

    /// Renames a file or directory.
    fn rename(&mut self, from: &str, to: &str) -> Result<(), GuestError>;

    /// Creates a symbolic link, and replaces an existing file.
    fn symlink(&mut self, target: &str, path: &str) -> Result<(), GuestError>;

    /// Sets permission bits.
    fn chmod(&mut self, mode: u32, path: &str) -> Result<(), GuestError>;

    /// Sets numeric owner and group.
    fn chown(&mut self, uid: u32, gid: u32, path: &str) -> Result<(), GuestError>;

    /// Mounts a private tmpfs with files for secrets at a path under `/run`; unmounts it if there are no files.
    fn secrets(&mut self, files: &[(String, Vec<u8>)], path: &str) -> Result<(), GuestError>;

    /// Returns the device of the attached disk for programs in the guest: `/dev/sdc`.
    fn disk_device(&mut self) -> Result<String, GuestError>;

    /// Shuts the guest down cleanly. The disk is complete afterwards.
    fn shutdown(self: Box<Self>) -> Result<(), GuestError>;
}

/// The size of a file system and its free space, in bytes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Space {
    /// Bytes that programs can still write.
    pub available: u64,
    /// Size of the file system.
    pub total: u64,
}

impl Space {
    /// Returns whether lack of space may be the reason for a failed program: less than a hundredth is free.
    pub fn is_exhausted(self) -> bool {
        self.available < self.total / 100
    }
}
