//! The output directory: one export at a time, and nothing half-written under a final name.

use std::fs::{File, TryLockError};
use std::path::Path;
use std::time::Duration;

use super::ExportError;
use crate::fsx::{IoContext as _, PathError};
use crate::interrupt::Interrupt;

/// How long the wait for another export sleeps between looks.
const POLL: Duration = Duration::from_millis(100);

/// Beginning of the names of files that are not whole yet.
const PART_PREFIX: &str = ".goldsmith-";

/// A file on its way to its name.
#[derive(Debug)]
pub(super) struct Part {
    /// The name it will have.
    pub(super) file: String,
    /// The file, open for reading and writing.
    pub(super) opened: File,
    path: tempfile::TempPath,
}

impl Part {
    /// Begins an empty file in a directory.
    pub(super) fn new(dir: &Path, file: String) -> Result<Self, PathError> {
        let suffix = format!("-{file}");
        let part = tempfile::Builder::new().prefix(PART_PREFIX).suffix(&suffix).tempfile_in(dir).at(dir)?;
        let (opened, path) = part.into_parts();
        Ok(Self { file, opened, path })
    }

    /// Where the file is until it gets its name.
    pub(super) fn path(&self) -> &Path {
        &self.path
    }

    /// Opens the file again, after a program has put another one in its place.
    pub(super) fn reopen(&mut self) -> Result<(), PathError> {
        self.opened = File::options().read(true).write(true).open(&self.path).at(&self.path)?;
        Ok(())
    }

    /// Sees that the file is on stable storage, and readable for everybody who may see its directory.
    pub(super) fn settle(&self) -> Result<(), PathError> {
        let mode = std::os::unix::fs::PermissionsExt::from_mode(0o644);
        self.opened.set_permissions(mode).at(&self.path)?;
        self.opened.sync_all().at(&self.path)
    }

    /// Gives the file its name, in place of what was there.
    pub(super) fn persist(self, dir: &Path) -> Result<(), PathError> {
        let path = dir.join(&self.file);
        self.path.persist(&path).map_err(|error| error.error).at(&path)
    }
}

/// Keeps other exports out of a directory, for as long as the result lives; waits for the one that is there.
pub(super) fn lock(dir: &Path, interrupt: &Interrupt) -> Result<File, ExportError> {
    let opened = File::open(dir).at(dir)?;
    loop {
        match opened.try_lock() {
            Ok(()) => return Ok(opened),
            Err(TryLockError::WouldBlock) if interrupt.is_raised() => return Err(ExportError::Interrupted),
            Err(TryLockError::WouldBlock) => std::thread::sleep(POLL),
            Err(TryLockError::Error(source)) => return Err(PathError { path: dir.to_owned(), source }.into()),
        }
    }
}

/// Removes what a build that was killed had begun in the output directory.
pub(super) fn remove_stale(dir: &Path) -> Result<(), PathError> {
    for entry in std::fs::read_dir(dir).at(dir)? {
        let path = entry.at(dir)?.path();
        let stale = path.file_name().is_some_and(|name| name.to_string_lossy().starts_with(PART_PREFIX));
        if stale {
            std::fs::remove_file(&path).at(&path)?;
        }
    }
    Ok(())
}
