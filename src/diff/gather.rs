//! Takes snapshots of images: gathers the facts and files that are compared.

use std::fs;
use std::path::Path;

use serde_json::Value;

use super::{Files, archive};
use crate::fsx::{IoContext as _, PathError};
use crate::guest::{Guest, GuestError};
use crate::inspect;
use crate::interrupt::Interrupt;

/// The facts and files of an image that are compared.
#[derive(Debug)]
pub struct Snapshot {
    /// Size of the disk, in bytes.
    pub size: u64,
    /// Facts about the system, in the form of `goldsmith inspect --json`.
    pub system: Value,
    /// Files of the image.
    pub files: Files,
    /// Archive from which the files are read.
    pub archive: fs::File,
    /// Facts that could not be found out, each with the reason.
    pub notes: Vec<String>,
}

/// The data of an image that the guest has read. The archive is read later, without a guest.
#[derive(Debug)]
pub struct Gathered {
    size: u64,
    system: inspect::System,
    archive: fs::File,
}

/// The reason why no snapshot could be taken.
#[derive(Debug, thiserror::Error)]
pub enum GatherError {
    /// The guest could not read the image.
    #[error("cannot read the image")]
    Guest(#[from] GuestError),
    /// There is no operating system that says which file systems belong to the image, and where.
    #[error("no operating system was found on it, so its files cannot be compared")]
    NoSystem(Vec<String>),
    /// A file of the host could not be read or written.
    #[error(transparent)]
    File(#[from] PathError),
    /// The archive of the files cannot be read.
    #[error("cannot read the files of the image")]
    Archive(#[source] std::io::Error),
    /// The user asked to stop.
    #[error("interrupted")]
    Interrupted,
}

/// Reads an image in a guest, through a temporary overlay. The archive is written to `target`, which may be removed as soon as
/// this returns.
///
/// # Errors
///
/// If the guest fails, or there is no operating system on the image.
pub fn gather(guest: &mut dyn Guest, overlay: &Path, size: u64, target: &Path) -> Result<Gathered, GatherError> {
    guest.attach(overlay)?;
    let system = inspect::system(guest)?;
    if system.os.is_none() {
        return Err(GatherError::NoSystem(system.notes));
    }
    guest.archive(target)?;
    guest.unmount()?;
    Ok(Gathered { size, system, archive: fs::File::open(target).at(target)? })
}

impl Gathered {
    /// Reads the archive.
    ///
    /// # Errors
    ///
    /// If it cannot be read, or the flag is raised.
    pub fn read(self, interrupt: &Interrupt) -> Result<Snapshot, GatherError> {
        let files = archive::read(&self.archive, interrupt).map_err(|error| {
            if interrupt.is_raised() { GatherError::Interrupted } else { GatherError::Archive(error) }
        })?;
        let notes = self.system.notes.clone();
        let system = serde_json::to_value(&self.system).map_err(|error| GatherError::Archive(error.into()))?;
        Ok(Snapshot { size: self.size, system, files, archive: self.archive, notes })
    }
}
