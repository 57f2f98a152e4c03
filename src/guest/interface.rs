//! What a guest can do for a build: the trait [`Guest`], and what its calls take and give.

use std::path::Path;

use super::command::{Command, Ended};
use super::devices::Devices;
use super::entry::{Entry, FileKind};
use super::error::GuestError;
use super::grow;
use super::inspection::Inspection;
use super::mount::Mount;
use super::terminal::Terminal;

/// A running guest.
///
/// Paths of files are absolute, in the image, and never leave it: the guest resolves them within the
/// image's own root. All calls are synchronous.
pub trait Guest {
    /// Attaches a qcow2 overlay as the image's disk, in place of the one attached before. Nothing may be mounted.
    fn attach(&mut self, disk: &Path) -> Result<(), GuestError>;

    /// Finds out what is on the attached disk.
    fn inspect(&mut self) -> Result<Inspection, GuestError>;

    /// Finds out what the attached disk is divided into. How full file systems are is known of those that are mounted.
    fn devices(&mut self) -> Result<Devices, GuestError>;

    /// Installed packages, as the guest's own tools read them from the mounted image's database; none of the image's
    /// programs are run. The image must have been [inspected](Guest::inspect).
    fn packages(&mut self) -> Result<Vec<crate::base::Package>, GuestError>;

    /// Grows partitions, volumes and file systems of the attached disk, step by step. Nothing may be mounted.
    fn grow(&mut self, steps: &[grow::Step]) -> Result<(), GuestError>;

    /// Mounts file systems of the attached disk, in the order given, and a tmpfs on `/run`.
    fn mount(&mut self, mounts: &[Mount]) -> Result<(), GuestError>;

    /// Unmounts everything; what was written is on the disk then.
    fn unmount(&mut self) -> Result<(), GuestError>;

    /// Freezes the attached overlay as it is and goes on writing to `next`, an overlay on top of it. What is
    /// mounted stays mounted; the frozen file is a clean disk.
    fn freeze(&mut self, next: &Path) -> Result<(), GuestError>;

    /// Tells the disk which blocks of the mounted file systems are unused.
    fn trim(&mut self) -> Result<(), GuestError>;

    /// Runs a program. What it prints is reported as it is printed. An exit status is not an error here.
    fn run(&mut self, command: &Command<'_>) -> Result<Ended, GuestError>;

    /// Opens a shell with the image as its root, joined to the terminal that is lent, until the person leaves
    /// it. Returns its exit status. No deadline runs, and the network is reachable if the guest has one.
    fn shell(&mut self, banner: &str, terminal: Terminal) -> Result<i32, GuestError>;

    /// How full the file system of a path is.
    fn free_space(&mut self, path: &str) -> Result<Space, GuestError>;

    /// Paths that match a shell glob, sorted; links are not followed.
    fn glob(&mut self, pattern: &str) -> Result<Vec<String>, GuestError>;

    /// What kind of file a path is, without following a link at its end; `None` if there is nothing.
    fn kind(&mut self, path: &str) -> Result<Option<FileKind>, GuestError>;

    /// Where a symbolic link leads, as it is written; `None` if there is nothing, or something else.
    fn read_link(&mut self, path: &str) -> Result<Option<String>, GuestError>;

    /// The whole content of a file of at most `limit` bytes; a longer file is an error.
    fn read(&mut self, path: &str, limit: u64) -> Result<Vec<u8>, GuestError>;

    /// Replaces or makes a file. Mode and owner of a file that exists are kept.
    fn write(&mut self, path: &str, content: &[u8]) -> Result<(), GuestError>;

    /// Copies a file of the host into the image.
    fn upload(&mut self, source: &Path, path: &str) -> Result<(), GuestError>;

    /// Copies a file of the image to the host. For files that are not trusted: only bytes arrive.
    fn download(&mut self, path: &str, target: &Path) -> Result<(), GuestError>;

    /// Unpacks a tar file of the host (`gzip`, `xz`, `zstd` or plain) into a directory of the image, which is made if it is
    /// missing. A directory that is there keeps its mode and owner. What a file system cannot hold is an error.
    fn unpack(&mut self, archive: &Path, compression: Option<&str>, path: &str) -> Result<(), GuestError>;

    /// Writes everything that is mounted to a file of the host, as a tar file (POSIX.1-2001), and returns its
    /// length in bytes. Names are relative to the root and may begin with `./`. The file is replaced if it exists;
    /// zeros in it may be holes.
    ///
    /// The same tree gives the same bytes: names are sorted, owners are numbers, times are whole seconds. Extended
    /// attributes are kept. What lies in `/dev`, `/proc`, `/run` and `/sys` is left out.
    fn archive(&mut self, target: &Path) -> Result<u64, GuestError>;

    /// Lists all files of what is mounted, in no order. `below` names directories of the root to list, with all in
    /// them; none stands for everything. What lies in `/dev`, `/proc`, `/run` and `/sys` is left out.
    ///
    /// What has no name in UTF-8 has one with U+FFFD in it, by which nothing is found. An image has more files than
    /// the [limit](super::LIST_LIMIT) only to do harm: that is an error.
    fn list(&mut self, below: &[&str]) -> Result<Vec<Entry>, GuestError>;

    /// Contents of regular files, many at once. The paths are those of [`Guest::list`]; none of their directories may
    /// be a link. What cannot be read is left out; a hole is read as zeros.
    fn contents(&mut self, files: &[&Entry]) -> Result<Vec<(String, Vec<u8>)>, GuestError>;

    /// Makes a directory and its parents. They belong to root and have the mode 0755, also below a directory that hands on its
    /// group. A link to a directory at the end of the path is an error: [`place`] finds the link's target.
    fn mkdir(&mut self, path: &str) -> Result<(), GuestError>;

    /// Removes a file or a directory with all in it; nothing there is no error.
    fn remove(&mut self, path: &str) -> Result<(), GuestError>;

    /// Renames a file or directory.
    fn rename(&mut self, from: &str, to: &str) -> Result<(), GuestError>;

    /// Makes a symbolic link, in place of what is there.
    fn symlink(&mut self, target: &str, path: &str) -> Result<(), GuestError>;

    /// Sets permission bits.
    fn chmod(&mut self, mode: u32, path: &str) -> Result<(), GuestError>;

    /// Sets numeric owner and group.
    fn chown(&mut self, uid: u32, gid: u32, path: &str) -> Result<(), GuestError>;

    /// Mounts a private tmpfs with files for secrets at a path under `/run`; with no files, takes it away.
    fn secrets(&mut self, files: &[(String, Vec<u8>)], path: &str) -> Result<(), GuestError>;

    /// Device of the attached disk as programs in the guest see it: `/dev/sdc`.
    fn disk_device(&mut self) -> Result<String, GuestError>;

    /// Stops the guest in an orderly way. The disk is complete afterwards.
    fn shutdown(self: Box<Self>) -> Result<(), GuestError>;
}

/// How full a file system is, in bytes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Space {
    /// What programs may still write.
    pub available: u64,
    /// Its size.
    pub total: u64,
}

impl Space {
    /// Whether so little is left that a program which failed may well have failed for that.
    pub fn is_exhausted(self) -> bool {
        self.available < self.total / 100
    }
}
