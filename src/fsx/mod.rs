//! File system helpers: errors that name the path, and files that appear whole or not at all.

mod files;

use std::fs::{File, Metadata, TryLockError};
use std::io::{self, Read as _};
use std::os::unix::fs::MetadataExt as _;
use std::path::{Path, PathBuf};

pub use files::write_atomic;
pub(crate) use files::{Access, NewFile, TEMPORARY, is_temporary, sync_dir, write_private, write_served};

/// An I/O error and the path it happened at.
#[derive(Debug, thiserror::Error)]
#[error("cannot access {}", path.display())]
pub struct PathError {
    /// The path.
    pub path: PathBuf,
    /// What the system said.
    #[source]
    pub source: io::Error,
}

impl PathError {
    /// Whether the file system had no room left.
    pub fn is_no_space(&self) -> bool {
        matches!(self.source.kind(), io::ErrorKind::StorageFull | io::ErrorKind::QuotaExceeded)
    }
}

/// Adds the path to an I/O result.
pub trait IoContext<T> {
    /// Names the path that was accessed.
    fn at(self, path: impl AsRef<Path>) -> Result<T, PathError>;
}

impl<T> IoContext<T> for io::Result<T> {
    fn at(self, path: impl AsRef<Path>) -> Result<T, PathError> {
        self.map_err(|source| PathError { path: path.as_ref().to_owned(), source })
    }
}

/// Reads a regular file of which nothing is expected, up to a size. A pipe or a device in its place is an error and not
/// waited for.
///
/// # Errors
///
/// The file cannot be read, is no regular file, or is larger.
pub fn read_regular(path: &Path, limit: u64) -> Result<Vec<u8>, PathError> {
    use rustix::fs::{Mode, OFlags};
    let refused = |reason: String| io::Error::new(io::ErrorKind::InvalidData, reason);
    // Without NONBLOCK, opening a pipe waits for somebody who writes to it.
    let flags = OFlags::RDONLY | OFlags::NONBLOCK | OFlags::CLOEXEC | OFlags::NOCTTY;
    let file = rustix::fs::open(path, flags, Mode::empty()).map_err(io::Error::from).at(path)?;
    let file = File::from(file);
    if !file.metadata().at(path)?.is_file() {
        return Err(refused("it is no regular file".to_owned())).at(path);
    }
    let mut content = Vec::new();
    file.take(limit.saturating_add(1)).read_to_end(&mut content).at(path)?;
    if content.len() as u64 > limit {
        return Err(refused(format!("it is longer than {limit} bytes"))).at(path);
    }
    Ok(content)
}

/// Bytes that an unprivileged user may still write to the file system of a path that exists.
pub fn available_bytes(path: &Path) -> Result<u64, PathError> {
    let stat = rustix::fs::statvfs(path).map_err(io::Error::from).at(path)?;
    Ok(stat.f_bavail.saturating_mul(stat.f_frsize))
}

/// Bytes that may be written to a file system without taking its last room, which others may need: all but the thirty-second
/// part of it, and all but 256 MiB of a large one.
pub fn room(path: &Path) -> Result<u64, PathError> {
    let stat = rustix::fs::statvfs(path).map_err(io::Error::from).at(path)?;
    let all = stat.f_blocks.saturating_mul(stat.f_frsize);
    Ok(stat.f_bavail.saturating_mul(stat.f_frsize).saturating_sub((all / 32).min(256 << 20)))
}

/// Bytes that a file occupies on its file system: less than its length if it has holes.
pub fn allocated_bytes(metadata: &Metadata) -> u64 {
    metadata.blocks().saturating_mul(512)
}

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

    #[test]
    fn a_hole_occupies_nothing() -> Result<(), PathError> {
        let scratch = scratch();
        let path = scratch.path().join("sparse");
        let file = File::create(&path).at(&path)?;
        file.set_len(1 << 30).at(&path)?;
        assert!(allocated_bytes(&file.metadata().at(&path)?) < 1 << 20);
        Ok(())
    }
}
