//! Private directories for work that may be killed at any moment, and the removal of abandoned ones.
//!
//! Each directory contains a marker file with a fixed text, and is locked while its owner lives. The next process that makes one
//! removes abandoned ones: directories of the same user with a marker and without a lock. Nothing else is ever removed, whatever
//! its name is.

use std::fs::{self, DirBuilder, File};
use std::io::{self, Read as _, Write as _};
use std::os::unix::fs::{DirBuilderExt as _, MetadataExt as _, OpenOptionsExt as _, PermissionsExt as _};
use std::path::{Path, PathBuf};
use std::process::Command;

use rustix::fs::{CWD, FlockOperation, Mode, OFlags};

use crate::fsx::{IoContext as _, PathError};

/// Name of the marker file.
const MARKER: &str = ".goldsmith-work";

/// Content of the marker file.
const TEXT: &[u8] = b"goldsmith made this directory. It removes it, with all that is in it, when its work has ended.\n";

/// Options of `unshare` for a user who is not root: the user becomes root in the namespace and gets all its subordinate ids.
pub(crate) const USER_NAMESPACE: [&str; 3] = ["--user", "--map-auto", "--map-root-user"];

/// Number of tries to make a directory. A try fails if another process has just removed the empty parent.
const TRIES: usize = 16;

/// A directory that is removed when this value is dropped.
#[derive(Debug)]
pub struct WorkDir {
    path: PathBuf,
    _lock: File,
}

impl WorkDir {
    /// Makes a directory with a short path, for sockets and small files. It is below this user's own directory in `tmp`, the
    /// directory for temporary files.
    ///
    /// # Errors
    ///
    /// If others can change this user's directory, or nothing can be made there.
    pub fn in_tmp(tmp: &Path) -> Result<Self, PathError> {
        Self::create(&hidden(tmp), "")
    }

    /// Returns the paths of this user's directories of [`Self::in_tmp`], which other processes may have made; none if others can change the
    /// directory above them, and so could have put something there.
    pub(crate) fn all_in_tmp(tmp: &Path) -> Vec<PathBuf> {
        if checked(&hidden(tmp)).is_err() {
            return Vec::new();
        }
        fs::read_dir(hidden(tmp)).into_iter().flatten().flatten().map(|entry| entry.path()).collect()
    }

    /// Makes a directory on the file system of `dir`, below a hidden directory in it.
    ///
    /// # Errors
    ///
    /// Like [`Self::in_tmp`].
    pub(crate) fn within(dir: &Path) -> Result<Self, PathError> {
        Self::create(&hidden(dir), "")
    }

    /// Removes the abandoned directories of [`Self::within`], and returns their paths. A dry run only returns them.
    ///
    /// # Errors
    ///
    /// If they cannot be removed.
    pub(crate) fn tidy_within(dir: &Path, dry_run: bool) -> Result<Vec<PathBuf>, PathError> {
        let parent = hidden(dir);
        if parent.symlink_metadata().is_err() {
            return Ok(Vec::new());
        }
        if dry_run {
            return Ok(all_abandoned(&parent)?.into_iter().map(|(path, _lock)| path).collect());
        }
        own(&parent)?;
        let removed = remove_abandoned(&parent)?;
        // This fails while the directory is in use.
        let _ = fs::remove_dir(parent);
        Ok(removed)
    }

    /// Makes a directory below `parent`, with a name that begins with `prefix`. First it removes abandoned directories there. It
    /// creates `parent` if it is missing, readable only by this user.
    pub(crate) fn create(parent: &Path, prefix: &str) -> Result<Self, PathError> {
        let mut tries = 0;
        loop {
            own(parent)?;
            match Self::make(parent, prefix) {
                Err(error) if error.source.kind() == io::ErrorKind::NotFound && tries < TRIES => tries += 1,
                made => return made,
            }
        }
    }

    fn make(parent: &Path, prefix: &str) -> Result<Self, PathError> {
        remove_abandoned(parent)?;
        // The directory gets its name when it is locked and marked, so a named directory without a lock is abandoned.
        let made = tempfile::Builder::new().prefix(&format!(".{prefix}")).tempdir_in(parent).at(parent)?;
        let lock = File::open(made.path()).at(made.path())?;
        rustix::fs::flock(&lock, FlockOperation::NonBlockingLockExclusive).map_err(io::Error::from).at(made.path())?;
        let marker = made.path().join(MARKER);
        let mut file = File::options().write(true).create_new(true).mode(0o600).open(&marker).at(&marker)?;
        file.write_all(TEXT).at(&marker)?;
        let made = made.keep();
        let name = made.file_name().map(|name| name.to_string_lossy().into_owned()).unwrap_or_default();
        let path = parent.join(name.trim_start_matches('.'));
        fs::rename(&made, &path).at(&path)?;
        Ok(Self { path, _lock: lock })
    }

    /// Returns the path of the directory.
    pub fn path(&self) -> &Path {
        &self.path
    }
}

impl Drop for WorkDir {
    fn drop(&mut self) {
        // If this fails, the next run removes it.
        let _ = remove(&self.path);
        if let Some(parent) = self.path.parent().filter(|parent| is_hidden(parent)) {
            // This fails while the parent is in use.
            let _ = fs::remove_dir(parent);
        }
    }
}

/// Returns the path of this user's own directory in another one.
fn hidden(dir: &Path) -> PathBuf {
    dir.join(format!(".goldsmith-{}", rustix::process::geteuid().as_raw()))
}

/// Returns whether a path is one of [`hidden`].
fn is_hidden(path: &Path) -> bool {
    path.parent().is_some_and(|dir| hidden(dir) == path)
}

/// Creates this user's own directory unless it is there, and refuses one that others can change.
fn own(path: &Path) -> Result<(), PathError> {
    if let Some(above) = path.parent() {
        fs::create_dir_all(above).at(above)?;
    }
    match DirBuilder::new().mode(0o700).create(path) {
        Ok(()) => {}
        Err(error) if error.kind() == io::ErrorKind::AlreadyExists => {}
        Err(error) => return Err(error).at(path),
    }
    let metadata = checked(path)?;
    // Earlier versions made it readable for others.
    if metadata.mode() & 0o055 != 0 {
        fs::set_permissions(path, fs::Permissions::from_mode(0o700)).at(path)
    } else {
        Ok(())
    }
}

/// Refuses a directory that is not this user's own, or that others can change.
fn checked(path: &Path) -> Result<fs::Metadata, PathError> {
    let refuse = |reason: String| Err(io::Error::new(io::ErrorKind::PermissionDenied, reason)).at(path);
    let metadata = fs::symlink_metadata(path).at(path)?;
    if !metadata.is_dir() {
        return refuse("it is not a directory: remove it, or name another place for temporary files".to_owned());
    }
    let user = rustix::process::geteuid().as_raw();
    if metadata.uid() != user {
        return refuse(format!("it belongs to the user {} and not to {user}: name another place", metadata.uid()));
    }
    if metadata.mode() & 0o022 != 0 {
        return refuse(format!("others may write to it (mode {:o}): `chmod 700` it", metadata.mode() & 0o7777));
    }
    Ok(metadata)
}

fn remove_abandoned(parent: &Path) -> Result<Vec<PathBuf>, PathError> {
    let mut removed = Vec::new();
    for (path, _lock) in all_abandoned(parent)? {
        remove(&path)?;
        removed.push(path);
    }
    Ok(removed)
}

/// Returns the abandoned directories in a directory, each with a lock on it.
fn all_abandoned(parent: &Path) -> Result<Vec<(PathBuf, File)>, PathError> {
    let mut found = Vec::new();
    for entry in fs::read_dir(parent).at(parent)? {
        let path = entry.at(parent)?.path();
        found.extend(abandoned(&path).map(|lock| (path, lock)));
    }
    Ok(found)
}

/// The lock on a directory whose owner has died; `None` if it is not marked, not this user's, or in use.
fn abandoned(path: &Path) -> Option<File> {
    // These flags follow no links.
    let flags = OFlags::RDONLY | OFlags::NOFOLLOW | OFlags::NONBLOCK | OFlags::CLOEXEC;
    let directory = File::from(rustix::fs::openat(CWD, path, flags | OFlags::DIRECTORY, Mode::empty()).ok()?);
    let marker = File::from(rustix::fs::openat(&directory, MARKER, flags, Mode::empty()).ok()?);
    let user = rustix::process::geteuid().as_raw();
    for file in [&directory, &marker] {
        if file.metadata().ok()?.uid() != user {
            return None;
        }
    }
    let mut text = Vec::new();
    let is_file = marker.metadata().ok()?.is_file();
    marker.take(TEXT.len() as u64 + 1).read_to_end(&mut text).ok()?;
    if !is_file || text != TEXT {
        return None;
    }
    rustix::fs::flock(&directory, FlockOperation::NonBlockingLockExclusive).ok()?;
    Some(directory)
}

/// Removes a marked directory. The marker goes last, so that the next run continues a removal that was killed.
fn remove(path: &Path) -> Result<(), PathError> {
    let entries = match fs::read_dir(path) {
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(()),
        entries => entries.at(path)?,
    };
    let entries: Vec<_> = entries.collect::<io::Result<_>>().at(path)?;
    let content: Vec<_> = entries.into_iter().filter(|entry| entry.file_name() != MARKER).collect();
    let done = content.iter().try_for_each(|entry| {
        let path = entry.path();
        // Links are removed, but not their targets.
        if entry.file_type()?.is_dir() { fs::remove_dir_all(path) } else { fs::remove_file(path) }
    });
    // Files in a tree of an unprivileged user belong to subordinate ids of that user.
    if let Err(error) = done {
        let mut command = Command::new("unshare");
        command.args(USER_NAMESPACE).args(["rm", "-rf", "--one-file-system", "--"]);
        command.args(content.iter().map(fs::DirEntry::path));
        crate::process::capture(&mut command).map(drop).map_err(|_| error).at(path)?;
    }
    let marker = path.join(MARKER);
    fs::remove_file(&marker).at(&marker)?;
    fs::remove_dir(path).at(path)
}

#[cfg(test)]
mod tests {
    use std::os::unix::fs::symlink;

    use super::*;

    fn marked(path: &Path) {
        fs::create_dir_all(path.join("deep/er")).expect("directories");
        fs::write(path.join(MARKER), TEXT).expect("a marker");
    }

    #[test]
    fn only_marked_directories_without_an_owner_are_removed() {
        let tmp = tempfile::tempdir().expect("a temporary directory");
        let first = WorkDir::in_tmp(tmp.path()).expect("a work directory");
        let root = first.path().parent().expect("its root").to_owned();
        assert_eq!(fs::metadata(&root).expect("the root").permissions().mode() & 0o777, 0o700);
        let elsewhere = tmp.path().join("elsewhere");
        marked(&elsewhere);
        marked(&root.join("dead"));
        fs::create_dir_all(root.join("goldsmith-src/.git")).expect("a foreign directory");
        fs::create_dir(root.join("wrong")).expect("a directory");
        fs::write(root.join("wrong").join(MARKER), "another text").expect("a file");
        fs::create_dir(root.join("linked")).expect("a directory");
        symlink(elsewhere.join(MARKER), root.join("linked").join(MARKER)).expect("a link");
        symlink(&elsewhere, root.join("link")).expect("a link");
        let second = WorkDir::in_tmp(tmp.path()).expect("a work directory");
        assert!(!root.join("dead").exists(), "its owner has died");
        assert!(first.path().join(MARKER).exists(), "its owner lives");
        for kept in ["goldsmith-src/.git", "wrong", "linked", "link/deep/er"] {
            assert!(root.join(kept).exists(), "{kept} is not ours");
        }
        let path = second.path().to_owned();
        fs::create_dir(path.join("directory")).expect("a directory");
        symlink(&elsewhere, path.join("link")).expect("a link");
        drop(second);
        assert!(!path.exists() && elsewhere.join("deep/er").exists());
    }

    #[test]
    fn a_dry_run_names_what_it_leaves() {
        let tmp = tempfile::tempdir().expect("a temporary directory");
        assert_eq!(WorkDir::tidy_within(tmp.path(), true).expect("nothing is there"), Vec::<PathBuf>::new());
        let alive = WorkDir::within(tmp.path()).expect("a work directory");
        let dead = alive.path().parent().expect("its root").join("dead");
        marked(&dead);
        assert_eq!(WorkDir::tidy_within(tmp.path(), true).expect("readable"), std::slice::from_ref(&dead));
        assert!(dead.join("deep/er").exists(), "a dry run removes nothing");
        assert_eq!(WorkDir::tidy_within(tmp.path(), false).expect("removed"), std::slice::from_ref(&dead));
        assert!(!dead.exists() && alive.path().exists());
    }

    #[test]
    fn nothing_is_left_where_nothing_else_was() {
        let tmp = tempfile::tempdir().expect("a temporary directory");
        let both = [WorkDir::in_tmp(tmp.path()), WorkDir::in_tmp(tmp.path())].map(|made| made.expect("made"));
        drop(both);
        assert_eq!(fs::read_dir(tmp.path()).expect("a directory").count(), 0);
    }

    #[test]
    fn a_directory_that_others_can_change_is_refused() {
        let tmp = tempfile::tempdir().expect("a temporary directory");
        let root = tmp.path().join(format!(".goldsmith-{}", rustix::process::geteuid().as_raw()));
        fs::create_dir(&root).expect("a directory");
        fs::create_dir(root.join("one")).expect("a directory");
        assert_eq!(WorkDir::all_in_tmp(tmp.path()), [root.join("one")]);
        fs::set_permissions(&root, fs::Permissions::from_mode(0o777)).expect("a mode");
        assert_eq!(WorkDir::all_in_tmp(tmp.path()), [""; 0].map(PathBuf::from), "somebody else may have made it");
        let error = WorkDir::in_tmp(tmp.path()).expect_err("others may write to it");
        assert!(error.source.to_string().contains("chmod 700"), "{error:?}");
        // Only root can give a directory away.
        if rustix::process::geteuid().is_root() {
            fs::set_permissions(&root, fs::Permissions::from_mode(0o700)).expect("a mode");
            std::os::unix::fs::chown(&root, Some(65_534), None).expect("root gives it away");
            assert_eq!(WorkDir::all_in_tmp(tmp.path()), [""; 0].map(PathBuf::from), "another user's");
        }
        fs::remove_dir_all(&root).expect("removable");
        symlink(tmp.path(), &root).expect("a link");
        let error = WorkDir::in_tmp(tmp.path()).expect_err("it is a link");
        assert!(error.source.to_string().contains("not a directory"), "{error:?}");
    }
}
