//! Converts an image file to another format.
//!
//! The new file gets its final name only when it is complete. Until then it has a temporary name in the same directory.

use std::cell::Cell;
use std::fs::File;
use std::io;
use std::path::{Path, PathBuf};
use std::time::Instant;

use super::digests::Kinds;
use super::pass::{self, PassError};
use super::read::{self, OpenError, Opened, Options};
use super::unpack::{Unpack, UnpackError};
use super::write::{Disk, Machine};
use super::{Encoding, Extents, Format, Source, Written};
use crate::digest::Sha256;
use crate::event::{Event, Reporter};
use crate::fsx::{self, Access, NewFile, PathError};
use crate::interrupt::Interrupt;
use crate::units::ByteSize;

/// Bytes of data between two checks of free space.
const LOOK: u64 = 64 << 20;

/// Largest disk that becomes a file of its own length unless the user asks for more, in bytes.
const FLAT_MAX: u64 = 1 << 40;

/// A conversion of one file.
#[derive(Debug, Clone, Copy)]
pub struct Conversion<'a> {
    /// The file to read.
    pub input: &'a Path,
    /// The format that it must have.
    pub from: Option<Format>,
    /// The file to write.
    pub output: &'a Path,
    /// The format of the file to write.
    pub to: Format,
    /// The encoding of the file to write.
    pub encoding: Encoding,
    /// Digests to compute.
    pub kinds: Kinds,
    /// The largest allowed size of the unpacked file, in bytes, instead of the default.
    pub max_size: Option<u64>,
    /// Whether an existing file may be replaced.
    pub replace: bool,
}

/// The result of a conversion.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Converted {
    /// Format of the file that was read.
    pub from: Format,
    /// Size of the disk, in bytes.
    pub virtual_size: u64,
    /// The file that was written.
    pub written: Written,
}

/// A failed conversion. An existing file is still in its place.
#[derive(Debug, thiserror::Error)]
pub enum ConvertError {
    /// The input is no usable image.
    #[error(transparent)]
    Open(#[from] OpenError),
    /// The input is damaged.
    #[error("cannot read the disk in {}", path.display())]
    Read {
        /// The file.
        path: PathBuf,
        /// The error.
        #[source]
        source: io::Error,
    },
    /// The output is the input itself.
    #[error("{} is both the file to read and the file to write", .0.display())]
    Same(PathBuf),
    /// The output would exceed the size limit.
    #[error("{} would have a length of {}, and the limit is {}", path.display(), ByteSize::bytes(*size), ByteSize::bytes(*limit))]
    TooLarge {
        /// The file to write.
        path: PathBuf,
        /// Length of the file to write, in bytes.
        size: u64,
        /// The limit, in bytes.
        limit: u64,
    },
    /// The output exists already.
    #[error("{} exists", .0.display())]
    Exists(PathBuf),
    /// The output exists and is no regular file.
    #[error("{} is no regular file", .0.display())]
    NoFile(PathBuf),
    /// The disk does not fit the format.
    #[error("cannot make {}: {reason}", path.display())]
    Misfit {
        /// The file to write.
        path: PathBuf,
        /// The reason.
        reason: String,
    },
    /// The file system of the output has too little free space.
    #[error("no space left on this machine: {} has room for {room}, and {} needs {needed}", directory.display(), path.display())]
    NoSpace {
        /// The file to write.
        path: PathBuf,
        /// The directory of that file.
        directory: PathBuf,
        /// Bytes free.
        room: ByteSize,
        /// Bytes needed, or bytes written until the space was used up.
        needed: ByteSize,
    },
    /// The file could not be written.
    #[error("cannot write {}", path.display())]
    Write {
        /// The file.
        path: PathBuf,
        /// The error.
        #[source]
        source: io::Error,
    },
    /// A path could not be accessed.
    #[error(transparent)]
    Access(#[from] PathError),
    /// The user asked to stop.
    #[error("interrupted")]
    Interrupted,
}

/// Converts a file. A failed conversion leaves no new file.
pub fn convert(
    conversion: &Conversion<'_>,
    reporter: &dyn Reporter,
    interrupt: &Interrupt,
) -> Result<Converted, ConvertError> {
    let output = conversion.output;
    let directory = match output.parent() {
        Some(parent) if !parent.as_os_str().is_empty() => parent,
        _ => Path::new("."),
    };
    check_place(conversion)?;
    let opened = open(conversion, directory, reporter, interrupt)?;
    let source = opened.source.as_ref();
    if let Some(reason) = conversion.to.traits().misfit(source.size()) {
        return Err(ConvertError::Misfit { path: output.to_owned(), reason });
    }
    // The host hashes every byte, holes too: a file of a few bytes could keep it busy for days.
    let limit = conversion.max_size.unwrap_or(FLAT_MAX);
    if conversion.encoding.has_zeros() && source.size() > limit {
        return Err(ConvertError::TooLarge { path: output.to_owned(), size: source.size(), limit });
    }
    let unreadable = |source| ConvertError::Read { path: conversion.input.to_owned(), source };
    let extents = source.extents().map_err(unreadable)?;
    let room = fsx::room(directory)?;
    // Compressed systems have a third of their size or more. The conversion stops before the space is used up.
    let needed = if conversion.encoding.is_compressed() { extents.total() / 4 } else { extents.total() };
    if room < needed {
        return Err(no_space(output, directory, room, needed));
    }
    let new = NewFile::create(output, Access::Umask)?;
    let written = write(conversion, source, &extents, new.file(), directory, reporter, interrupt)?;
    if conversion.replace {
        new.persist()?;
    } else {
        new.persist_new().map_err(|error| match error.source.kind() {
            io::ErrorKind::AlreadyExists => ConvertError::Exists(output.to_owned()),
            _ => error.into(),
        })?;
    }
    Ok(Converted { from: opened.format, virtual_size: source.size(), written })
}

/// Refuses outputs that must not be written.
fn check_place(conversion: &Conversion<'_>) -> Result<(), ConvertError> {
    let output = conversion.output;
    // A rename would replace the symbolic link itself, not its target.
    match output.symlink_metadata() {
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(()),
        Err(error) => return Err(PathError { path: output.to_owned(), source: error }.into()),
        Ok(_) => {}
    }
    if let (Ok(found), Ok(input)) = (output.canonicalize(), conversion.input.canonicalize())
        && found == input
    {
        return Err(ConvertError::Same(output.to_owned()));
    }
    let is_file = output.symlink_metadata().is_ok_and(|metadata| metadata.is_file() || metadata.is_symlink());
    match (is_file, conversion.replace) {
        (true, true) => Ok(()),
        (true, false) => Err(ConvertError::Exists(output.to_owned())),
        (false, _) => Err(ConvertError::NoFile(output.to_owned())),
    }
}

fn open(
    conversion: &Conversion<'_>,
    directory: &Path,
    reporter: &dyn Reporter,
    interrupt: &Interrupt,
) -> Result<Opened, ConvertError> {
    let options = Options { format: conversion.from, ..Options::default() };
    let unpack = Unpack { directory, max_size: conversion.max_size, interrupt };
    let activity = format!("unpack {}", name(conversion.input));
    let started = Instant::now();
    let mut begun = false;
    let opened = read::open_packed(conversion.input, &options, &unpack, &mut |done, total| {
        if !std::mem::replace(&mut begun, true) {
            reporter.report(&Event::ActivityStarted { activity: activity.clone() });
        }
        reporter.report(&Event::Progress { activity: activity.clone(), done, total: Some(total) });
    });
    if begun && opened.is_ok() {
        reporter.report(&Event::ActivityFinished { activity, elapsed: started.elapsed() });
    }
    opened.map_err(|error| match error {
        OpenError::Unpack { source: UnpackError::Interrupted, .. } => ConvertError::Interrupted,
        error => error.into(),
    })
}

fn write(
    conversion: &Conversion<'_>,
    source: &dyn Source,
    extents: &Extents,
    file: &File,
    directory: &Path,
    reporter: &dyn Reporter,
    interrupt: &Interrupt,
) -> Result<Written, ConvertError> {
    let output = conversion.output;
    let failed = |source| ConvertError::Write { path: output.to_owned(), source };
    let unreadable = |source| ConvertError::Read { path: conversion.input.to_owned(), source };
    let seed = seed(source, extents).map_err(unreadable)?;
    let name = output.file_stem().unwrap_or_default().to_string_lossy();
    let disk = Disk {
        size: source.size(),
        extents,
        seed: &seed,
        machine: Machine { name: &name, ..Machine::default() },
        earlier: None,
    };
    let file = file.try_clone().map_err(failed)?;
    let sink = conversion.encoding.sink(&disk, file, conversion.kinds).map_err(failed)?;

    let activity = format!("write {}", self::name(output));
    let started = Instant::now();
    reporter.report(&Event::ActivityStarted { activity: activity.clone() });
    // Raised by the user, or when space runs out.
    let stop = Interrupt::new();
    let raised = stop.clone();
    interrupt.on_raise(move || raised.raise());
    let (full, mut looked) = (Cell::new(None), 0);
    let total = Some(extents.total());
    let written = pass::write(source, extents, vec![sink], &stop, &mut |done| {
        reporter.report(&Event::Progress { activity: activity.clone(), done, total });
        if done >= looked {
            looked = done + LOOK;
            if fsx::room(directory).is_ok_and(|room| room < LOOK / 8) {
                full.set(Some(done));
                stop.raise();
            }
        }
    });
    let full = full.get();
    let mut written = written.map_err(|error| match (error, full) {
        (PassError::Interrupted, Some(done)) if !interrupt.is_raised() => no_space(output, directory, 0, done),
        (PassError::Interrupted, _) => ConvertError::Interrupted,
        (PassError::Read(source), _) => unreadable(source),
        (PassError::Write { source, .. }, _) if source.kind() == io::ErrorKind::StorageFull => {
            no_space(output, directory, 0, extents.total())
        }
        (PassError::Write { source, .. }, _) => failed(source),
    })?;
    reporter.report(&Event::ActivityFinished { activity, elapsed: started.elapsed() });
    written.pop().ok_or_else(|| failed(io::Error::other("nothing was written")))
}

fn no_space(path: &Path, directory: &Path, room: u64, needed: u64) -> ConvertError {
    ConvertError::NoSpace {
        path: path.to_owned(),
        directory: directory.to_owned(),
        room: ByteSize::bytes(room),
        needed: ByteSize::bytes(needed),
    }
}

/// Returns the seed for identifiers in the new file. It depends on the first 64 KiB, the size and the extents of the disk, so the
/// same disk always gives the same file. The first bytes hold the identifier of the partition table.
fn seed(source: &dyn Source, extents: &Extents) -> io::Result<[u8; 32]> {
    let length = source.size().min(64 << 10);
    let mut bytes = vec![0; usize::try_from(length).map_err(io::Error::other)?];
    source.read_at(0, &mut bytes)?;
    bytes.extend_from_slice(&source.size().to_le_bytes());
    bytes.extend(extents.iter().flat_map(|range| [range.start.to_le_bytes(), range.end.to_le_bytes()].concat()));
    Ok(*Sha256::of(&bytes).bytes())
}

fn name(path: &Path) -> String {
    path.file_name().unwrap_or_default().to_string_lossy().into_owned()
}
