//! Locks of files, which the kernel releases when their holder dies.

use std::fs::{File, TryLockError};
use std::io;
use std::os::unix::fs::MetadataExt as _;
use std::path::Path;

use super::error::IoContext as _;
use super::error::PathError;

/// A lock on a file, held until it is dropped. The kernel releases it when its holder dies.
///
/// It is an advisory `flock` that belongs to the open file: two of them exclude each other also
/// within one process.
#[derive(Debug)]
pub struct FileLock {
    file: File,
}

impl FileLock {
    /// Takes the lock for this holder alone, or returns `None` if another holds it. The file is
    /// made if it is not there, its directory is not.
    pub fn try_exclusive(path: &Path) -> Result<Option<Self>, PathError> {
        Self::take(path, File::try_lock)
    }

    /// Takes the lock together with others who share it, or returns `None` if one holds it alone.
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
            // Whoever held it may have removed the file meanwhile: a lock on a file that others do
            // not find any more excludes nobody.
            if same_file(&file, path)? {
                return Ok(Some(Self { file }));
            }
        }
    }

    /// Gives up a shared lock and takes it alone; `false` if that is impossible now, and then no
    /// lock is held.
    pub fn try_upgrade(&self, path: &Path) -> Result<bool, PathError> {
        self.file.unlock().at(path)?;
        match self.file.try_lock() {
            Ok(()) => Ok(true),
            Err(TryLockError::WouldBlock) => Ok(false),
            Err(TryLockError::Error(error)) => Err(error).at(path),
        }
    }

    /// Gives up whatever lock is held and shares it; `false` if another holds it alone.
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
        // Closing the file would do, but for children that another thread starts at this moment: until they
        // run their program they hold the file open too. Unlocking cannot fail on a file that is open.
        let _ = self.file.unlock();
    }
}

/// Whether an open file is what a path leads to now.
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
