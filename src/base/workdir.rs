//! Private directories for work that may be killed at any moment.
//!
//! A directory is locked as long as its owner lives. Whoever makes the next one removes those without an owner.

use std::fs::{self, File};
use std::io;
use std::os::unix::fs::MetadataExt as _;
use std::path::{Path, PathBuf};
use std::process::Command;

use rustix::fs::{CWD, FlockOperation, Mode, OFlags};

use crate::fsx::{IoContext as _, PathError};

/// A directory that is removed when this value goes.
#[derive(Debug)]
pub(crate) struct WorkDir {
    path: PathBuf,
    _lock: File,
}

impl WorkDir {
    /// Makes a directory below `parent`, its name begun by `prefix`, after removing those that this user left there.
    pub(crate) fn create(parent: &Path, prefix: &str) -> Result<Self, PathError> {
        fs::create_dir_all(parent).at(parent)?;
        remove_abandoned(parent, prefix)?;
        // It gets its name once it is locked: what bears the name and has no lock has no owner.
        let made = tempfile::Builder::new().prefix(&format!(".{prefix}")).tempdir_in(parent).at(parent)?;
        let lock = File::open(made.path()).at(made.path())?;
        rustix::fs::flock(&lock, FlockOperation::NonBlockingLockExclusive).map_err(io::Error::from).at(made.path())?;
        let made = made.keep();
        let name = made.file_name().map(|name| name.to_string_lossy().into_owned()).unwrap_or_default();
        let path = parent.join(name.trim_start_matches('.'));
        fs::rename(&made, &path).at(&path)?;
        Ok(Self { path, _lock: lock })
    }

    /// Where it is.
    pub(crate) fn path(&self) -> &Path {
        &self.path
    }
}

impl Drop for WorkDir {
    fn drop(&mut self) {
        // What cannot be removed now is removed by the next run.
        let _ = remove(&self.path);
    }
}

fn remove_abandoned(parent: &Path, prefix: &str) -> Result<(), PathError> {
    let flags = OFlags::RDONLY | OFlags::DIRECTORY | OFlags::NOFOLLOW | OFlags::NONBLOCK | OFlags::CLOEXEC;
    for entry in fs::read_dir(parent).at(parent)? {
        let entry = entry.at(parent)?;
        if !entry.file_name().to_string_lossy().starts_with(prefix) {
            continue;
        }
        let path = entry.path();
        // What cannot be opened is no directory, another user's, or has just gone.
        let Ok(directory) = rustix::fs::openat(CWD, &path, flags, Mode::empty()).map(File::from) else { continue };
        let ours = directory.metadata().at(&path)?.uid() == rustix::process::geteuid().as_raw();
        if ours && rustix::fs::flock(&directory, FlockOperation::NonBlockingLockExclusive).is_ok() {
            remove(&path)?;
        }
    }
    Ok(())
}

fn remove(path: &Path) -> Result<(), PathError> {
    match fs::remove_dir_all(path) {
        Ok(()) => Ok(()),
        Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(()),
        // Files of a tree that an unprivileged user made belong to other identities of that user.
        Err(error) => {
            let mut command = Command::new("unshare");
            command.args(super::bootstrap::USER_NAMESPACE).args(["rm", "-rf", "--one-file-system", "--"]).arg(path);
            crate::process::capture(&mut command).map(drop).map_err(|_| error).at(path)
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn directories_of_the_dead_are_removed_and_those_of_the_living_kept() {
        let parent = tempfile::tempdir().expect("temporary directory");
        let dead = parent.path().join("bootstrap-dead");
        fs::create_dir_all(dead.join("mnt/tree")).expect("directory");
        fs::create_dir(parent.path().join("other")).expect("directory");
        std::os::unix::fs::symlink(parent.path().join("other"), parent.path().join("bootstrap-link")).expect("link");
        let first = WorkDir::create(parent.path(), "bootstrap-").expect("work directory");
        assert!(!dead.exists());
        assert!(parent.path().join("other").exists());
        let second = WorkDir::create(parent.path(), "bootstrap-").expect("work directory");
        assert!(first.path().exists(), "its owner lives");
        let path = second.path().to_owned();
        drop(second);
        assert!(!path.exists());
    }
}
