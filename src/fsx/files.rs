//! Files that appear complete or not at all. Only this module sets the modes of files.

use std::fs::{File, Permissions};
use std::io::{self, Write as _};
use std::os::unix::fs::{MetadataExt as _, PermissionsExt as _};
use std::path::{Path, PathBuf};

use super::{IoContext as _, PathError};

/// Prefix of the names of incomplete files.
pub(crate) const TEMPORARY: &str = ".goldsmith-";

/// Number of random characters after [`TEMPORARY`].
const RANDOM: usize = 6;

/// Readers of a new file.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Access {
    /// Users that the umask allows. A file that replaces another one keeps its mode.
    Umask,
    /// Only the user. This is for files that may contain secrets of an image or its maker.
    Private,
    /// Everybody. This is for published files.
    Served,
}

/// A file that is being written under a temporary name. It is removed unless it gets its final name.
#[derive(Debug)]
pub(crate) struct NewFile {
    file: File,
    path: tempfile::TempPath,
    target: PathBuf,
    access: Access,
}

impl NewFile {
    /// Creates an empty temporary file in the directory of its final name.
    pub(crate) fn create(target: &Path, access: Access) -> Result<Self, PathError> {
        let mode = if access == Access::Umask { 0o666 } else { 0o600 };
        let suffix = target.file_name().map(|name| format!("-{}", name.to_string_lossy())).unwrap_or_default();
        let dir = target.parent().filter(|dir| !dir.as_os_str().is_empty()).unwrap_or(Path::new("."));
        let mut builder = tempfile::Builder::new();
        builder.prefix(TEMPORARY).rand_bytes(RANDOM).suffix(&suffix).permissions(Permissions::from_mode(mode));
        let (file, path) = builder.tempfile_in(dir).at(target)?.into_parts();
        Ok(Self { file, path, target: target.to_owned(), access })
    }

    /// Returns the file, open for reading and writing.
    pub(crate) fn file(&self) -> &File {
        &self.file
    }

    /// Returns the temporary path of the file.
    pub(crate) fn path(&self) -> &Path {
        &self.path
    }

    /// Opens the file again, after a program has replaced it. Programs set modes of their own: mksquashfs removes the group's
    /// right to write.
    pub(crate) fn reopen(&mut self) -> Result<(), PathError> {
        let mode = self.file.metadata().at(&self.path)?.permissions();
        self.file = File::options().read(true).write(true).open(&self.path).at(&self.path)?;
        self.file.set_permissions(mode).at(&self.path)
    }

    /// Syncs the content to the disk, with its final mode.
    pub(crate) fn settle(&self) -> Result<(), PathError> {
        let mode = match self.access {
            Access::Umask => std::fs::symlink_metadata(&self.target)
                .ok()
                .filter(std::fs::Metadata::is_file)
                .map(|before| before.mode() & 0o777),
            Access::Private => Some(0o600),
            Access::Served => Some(0o644),
        };
        if let Some(mode) = mode {
            self.file.set_permissions(Permissions::from_mode(mode)).at(&self.target)?;
        }
        self.file.sync_all().at(&self.target)
    }

    /// Moves the file to its final name and replaces an existing file. The name is on the disk when this returns.
    pub(crate) fn persist(self) -> Result<(), PathError> {
        self.settle()?;
        self.path.persist(&self.target).map_err(|error| error.error).at(&self.target)?;
        sync_parent(&self.target)
    }

    /// Moves the file to its final name. If that exists, the error has the kind `AlreadyExists`.
    pub(crate) fn persist_new(self) -> Result<(), PathError> {
        self.settle()?;
        self.path.persist_noclobber(&self.target).map_err(|error| error.error).at(&self.target)?;
        sync_parent(&self.target)
    }
}

/// Returns whether a name is that of a temporary file for `target`, or for any name if `target` is `None`.
pub(crate) fn is_temporary(name: &str, target: Option<&str>) -> bool {
    let Some(rest) = name.strip_prefix(TEMPORARY) else { return false };
    let Some((random, rest)) = rest.split_at_checked(RANDOM) else { return false };
    let named = rest.strip_prefix('-').filter(|rest| !rest.is_empty());
    random.bytes().all(|byte| byte.is_ascii_alphanumeric())
        && named.is_some()
        && target.is_none_or(|target| named == Some(target))
}

/// Writes a file that only this user may read. It appears complete or not at all, even after a crash.
///
/// # Errors
///
/// If the directory is not writable.
pub(crate) fn write_private(path: &Path, content: &[u8]) -> Result<(), PathError> {
    write(path, content, Access::Private)
}

/// Writes a file. It appears complete or not at all, even after a crash. Its mode is that of the file that it replaces, or
/// follows from the umask.
///
/// # Errors
///
/// If the directory is not writable.
pub fn write_atomic(path: &Path, content: &[u8]) -> Result<(), PathError> {
    write(path, content, Access::Umask)
}

/// Writes a file that everybody may read. It appears complete or not at all, even after a crash.
///
/// # Errors
///
/// If the directory is not writable.
pub(crate) fn write_served(path: &Path, content: &[u8]) -> Result<(), PathError> {
    write(path, content, Access::Served)
}

fn write(path: &Path, content: &[u8], access: Access) -> Result<(), PathError> {
    let mut file = NewFile::create(path, access)?;
    file.file.write_all(content).at(path)?;
    file.persist()
}

/// Syncs the names in a directory to the disk.
pub(crate) fn sync_dir(dir: &Path) -> Result<(), PathError> {
    match File::open(dir).and_then(|opened| opened.sync_all()) {
        // Some network file systems cannot sync directories.
        Err(error) if error.kind() == io::ErrorKind::InvalidInput => Ok(()),
        done => done.at(dir),
    }
}

fn sync_parent(path: &Path) -> Result<(), PathError> {
    sync_dir(path.parent().filter(|dir| !dir.as_os_str().is_empty()).unwrap_or(Path::new(".")))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn mode(path: &Path) -> u32 {
        std::fs::metadata(path).expect("it is there").mode() & 0o7777
    }

    #[test]
    fn modes_follow_from_who_may_read() {
        let dir = tempfile::tempdir().expect("a directory");
        let path = dir.path().join("file");
        for (access, expected) in [(Access::Private, 0o600), (Access::Served, 0o644)] {
            write(&path, b"content", access).expect("it is written");
            assert_eq!(mode(&path), expected, "{access:?}");
        }
        std::fs::set_permissions(&path, Permissions::from_mode(0o640)).expect("a mode");
        write_atomic(&path, b"other").expect("it is written");
        assert_eq!(mode(&path), 0o640, "it is as readable as the file was that it replaces");
        std::fs::remove_file(&path).expect("it is there");
        let plain = dir.path().join("plain");
        std::fs::write(&plain, "").expect("it is written");
        write_atomic(&path, b"new").expect("it is written");
        assert_eq!(mode(&path), mode(&plain), "the umask is the one that holds for all files");
    }

    #[test]
    fn what_a_program_makes_in_the_place_of_a_file_has_the_mode_of_the_file() {
        let dir = tempfile::tempdir().expect("a directory");
        let path = dir.path().join("file");
        let mut new = NewFile::create(&path, Access::Umask).expect("begun");
        let expected = mode(new.path());
        std::fs::remove_file(new.path()).expect("it is there");
        std::fs::write(new.path(), "of a program").expect("it is written");
        std::fs::set_permissions(new.path(), Permissions::from_mode(0o600)).expect("a mode");
        new.reopen().expect("it is opened");
        new.persist().expect("it gets its name");
        assert_eq!((mode(&path), &*std::fs::read(&path).expect("it is there")), (expected, &b"of a program"[..]));
    }

    #[test]
    fn a_file_that_gets_no_name_is_gone_and_one_that_is_there_stays() {
        let dir = tempfile::tempdir().expect("a directory");
        let path = dir.path().join("file");
        std::fs::write(&path, "before").expect("it is written");
        let new = NewFile::create(&path, Access::Umask).expect("begun");
        assert!(is_temporary(&new.path().file_name().expect("a name").to_string_lossy(), Some("file")));
        let error = new.persist_new().expect_err("it is there");
        assert_eq!(error.source.kind(), io::ErrorKind::AlreadyExists);
        assert_eq!(std::fs::read_dir(dir.path()).expect("a directory").count(), 1);
        assert_eq!(std::fs::read(&path).expect("it is there"), b"before");
    }

    #[test]
    fn temporary_names_are_exact() {
        assert!(is_temporary(".goldsmith-aB3dE6-web.qcow2", None));
        assert!(is_temporary(".goldsmith-aB3dE6-web.qcow2", Some("web.qcow2")));
        for name in [
            ".goldsmith-aB3dE6-db.qcow2",
            ".goldsmith-notes",
            ".goldsmith-src",
            ".goldsmith-my-notes-web.qcow2",
            ".goldsmith-äöü-web.qcow2",
        ] {
            assert!(!is_temporary(name, Some("web.qcow2")), "{name}");
        }
        assert!(!is_temporary(".goldsmith-notes", None) && !is_temporary(".goldsmith-aB3dE6-", None));
    }
}
