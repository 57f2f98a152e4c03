//! Prepares image files for QEMU: copies a file in another format than qcow2 and raw to a raw file.

use std::fs::File;
use std::io;
use std::path::{Path, PathBuf};

use super::digests::Kinds;
use super::pass::{self, PassError};
use super::read::{self, Backing, OpenError};
use super::write::{Disk, Machine};
use super::{Encoding, Format};
use crate::fsx::{IoContext as _, PathError};
use crate::interrupt::Interrupt;

/// A file that QEMU can open safely.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Local {
    /// The file.
    pub path: PathBuf,
    /// The format of the file: qcow2 without a backing file, or raw.
    pub format: Format,
    /// Size of the disk, in bytes.
    pub size: u64,
}

/// The reason why an image cannot be prepared.
#[derive(Debug, thiserror::Error)]
pub enum LocalError {
    /// The file is no disk image, or a damaged one.
    #[error(transparent)]
    Open(#[from] OpenError),
    /// A part of the image cannot be read.
    #[error("cannot read {}", path.display())]
    Read {
        /// The image.
        path: PathBuf,
        /// The error.
        #[source]
        source: io::Error,
    },
    /// The copy cannot be written.
    #[error(transparent)]
    Write(#[from] PathError),
    /// The user asked to stop.
    #[error("interrupted")]
    Interrupted,
}

/// Prepares an image for the guest: the file itself if it is qcow2 or raw, else the raw, sparse file `copy`. QEMU's readers of
/// other formats open further files that the file names, and are less tested.
///
/// # Errors
///
/// The image cannot be used, or the copy cannot be written.
pub fn prepare(image: &Path, copy: &Path, interrupt: &Interrupt) -> Result<Local, LocalError> {
    let opened = read::open(image, &read::Options { format: None, backing: Backing::Refuse })?;
    let size = opened.source.size();
    if matches!(opened.format, Format::Qcow2 | Format::Raw) {
        let path = std::path::absolute(image).at(image)?;
        return Ok(Local { path, format: opened.format, size });
    }
    let unreadable = |source| LocalError::Read { path: image.to_owned(), source };
    let unwritable = |source| PathError { path: copy.to_owned(), source };
    let extents = opened.source.extents().map_err(unreadable)?;
    let file = File::create(copy).map_err(unwritable)?;
    let machine = Machine::default();
    let disk = Disk { size, extents: &extents, seed: &[0; 32], machine, earlier: None };
    let sink = Encoding::Raw(None).sink(&disk, file, Kinds::default()).map_err(unwritable)?;
    pass::write(&*opened.source, &extents, vec![sink], interrupt, &mut |_| {}).map_err(|error| match error {
        PassError::Read(source) => unreadable(source),
        PassError::Write { source, .. } => unwritable(source).into(),
        PassError::Interrupted => LocalError::Interrupted,
    })?;
    Ok(Local { path: copy.to_owned(), format: Format::Raw, size })
}
