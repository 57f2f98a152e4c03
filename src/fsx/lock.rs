//! Locks on files, by which processes exclude each other.

use std::fs::{File, TryLockError};
use std::io;
use std::os::unix::fs::MetadataExt as _;
use std::path::Path;

use super::error::IoContext as _;
use super::error::PathError;

/// A lock on a file, held until it is dropped. The kernel releases it when its process dies.
///
/// It is an advisory `flock`, which belongs to the open file. Two of them exclude each other even within one process.
#[derive(Debug)]
pub struct FileLock {
    file: File,
}

impl FileLock {
    /// Takes an exclusive lock, or returns `None` if another process or thread holds the lock. Creates the file if it is missing,
    /// but not its directory.
    pub fn try_exclusive(path: &Path) -> Result<Option<Self>, PathError> {
        Self::take(path, File::try_lock)
    }

    /// Takes a shared lock, or returns `None` if another process or thread holds it exclusively.
    pub fn try_shared(path: &Path) -> Result<Option<Self>, PathError> {
        Self::take(path, File::try_lock_shared)
    }

    fn take(path: &Path, mut lock: impl FnMut(&File) -> Result<(), TryLockError>) -> Result<Option<Self>, PathError> {
        loop {
            let file = File::options().create(true).truncate(false).write(true).open(path).at(path)?;
            match lock(&file) {
                Ok(()) => {}
                Err(TryLockError::WouldBlock) => return Ok(None),
                Err(TryLockError::Error(error)) => return Err(error).at(path),
            }
            // The last holder may have removed the file meanwhile. A lock on a removed file excludes nobody.
            if same_file(&file, path)? {
                return Ok(Some(Self { file }));
            }
        }
    }

    /// Releases a shared lock and takes it exclusively. If that is impossible now, this returns `false` and holds no lock.
    pub fn try_upgrade(&self, path: &Path) -> Result<bool, PathError> {
        self.file.unlock().at(path)?;
        match self.file.try_lock() {
            Ok(()) => Ok(true),
            Err(TryLockError::WouldBlock) => Ok(false),
            Err(TryLockError::Error(error)) => Err(error).at(path),
        }
    }

    /// Releases the lock and takes it shared; `false` if another process or thread holds it exclusively.
    pub fn try_downgrade(&self, path: &Path) -> Result<bool, PathError> {
        self.file.unlock().at(path)?;
        match self.file.try_lock_shared() {
            Ok(()) => Ok(true),
            Err(TryLockError::WouldBlock) => Ok(false),
            Err(TryLockError::Error(error)) => Err(error).at(path),
        }
    }
}

impl Drop for FileLock {
    fn drop(&mut self) {
        // Closing the file is not enough: a child that another thread starts at this moment holds it open until it runs its
        // program. Unlocking cannot fail on an open file.
        let _ = self.file.unlock();
    }
}

/// Returns whether an open file is the one at a path.
pub fn same_file(file: &File, path: &Path) -> Result<bool, PathError> {
    let held = file.metadata().at(path)?;
    match std::fs::metadata(path) {
        Ok(found) => Ok(found.dev() == held.dev() && found.ino() == held.ino()),
        Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(false),
        Err(error) => Err(error).at(path),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn scratch() -> tempfile::TempDir {
        tempfile::tempdir().expect("a temporary directory")
    }

    #[test]
    fn an_exclusive_lock_excludes_and_ends_with_its_holder() -> Result<(), PathError> {
        let scratch = scratch();
        let path = scratch.path().join("lock");
        let held = FileLock::try_exclusive(&path)?;
        assert!(held.is_some());
        assert!(FileLock::try_exclusive(&path)?.is_none());
        assert!(FileLock::try_shared(&path)?.is_none());
        drop(held);
        let shared = (FileLock::try_shared(&path)?, FileLock::try_shared(&path)?);
        assert!(shared.0.is_some() && shared.1.is_some());
        assert!(FileLock::try_exclusive(&path)?.is_none());
        Ok(())
    }

    #[test]
    fn a_lock_on_a_removed_file_is_told_from_one_that_counts() -> Result<(), PathError> {
        let scratch = scratch();
        let path = scratch.path().join("lock");
        let file = File::create(&path).at(&path)?;
        assert!(same_file(&file, &path)?);
        std::fs::remove_file(&path).at(&path)?;
        assert!(!same_file(&file, &path)?);
        let _other = File::create(&path).at(&path)?;
        assert!(!same_file(&file, &path)?);
        Ok(())
    }

    #[test]
    fn a_file_removed_before_it_is_locked_is_not_taken_for_the_lock() -> Result<(), PathError> {
        let scratch = scratch();
        let path = scratch.path().join("lock");
        let mut tries = 0;
        let held = FileLock::take(&path, |file| {
            tries += 1;
            if tries == 1 {
                std::fs::remove_file(&path).map_err(TryLockError::Error)?;
            }
            file.try_lock()
        })?;
        assert!(held.is_some());
        assert_eq!(tries, 2);
        assert!(FileLock::try_shared(&path)?.is_none());
        Ok(())
    }

    #[test]
    fn an_upgrade_needs_to_be_alone() -> Result<(), PathError> {
        let scratch = scratch();
        let path = scratch.path().join("lock");
        let one = FileLock::try_shared(&path)?.expect("nobody holds it");
        let two = FileLock::try_shared(&path)?.expect("it is shared");
        assert!(!one.try_upgrade(&path)?);
        assert!(one.try_downgrade(&path)?);
        drop(two);
        assert!(one.try_upgrade(&path)?);
        assert!(FileLock::try_shared(&path)?.is_none());
        Ok(())
    }
}
