//! Opens image files.

use std::fmt;
use std::fs::File;
use std::path::{Path, PathBuf};

use super::fault::{self, Complaint, Fault, bad, damaged};
use super::raw::Raw;
use super::reader::BackingFile;
use super::size::bad_size;
use crate::fsx::{IoContext as _, PathError};
use crate::image::probe::{self, Kind};
use crate::image::unpack::{self, Unpack, UnpackError};
use crate::image::{Codec, Format, Source};
use crate::text::printable;

/// Largest number of layers in a chain.
const DEEPEST: usize = 256;

/// Options for opening a file.
#[derive(Debug, Clone, Copy, Default)]
pub struct Options<'a> {
    /// The format that the file must have. With [`Format::Raw`], any file is accepted that does not begin like an image of
    /// another format. Without a format, raw disks must have a partition table.
    pub format: Option<Format>,
    /// The treatment of files that need another file.
    pub backing: Backing<'a>,
}

/// The treatment of a file that needs another file, its backing file.
#[derive(Debug, Clone, Copy, Default)]
pub enum Backing<'a> {
    /// Refuses it, because anyone could have written the name.
    #[default]
    Refuse,
    /// Reads the file alone: zeros where it leaves the disk to its backing file.
    Ignore,
    /// Reads it if the whole chain, with symbolic links resolved, is below this directory, is qcow2 or raw, and each file has the
    /// format that the layer above names.
    Within(&'a Path),
}

/// A disk that can be read.
pub struct Opened {
    /// Format of the file, unpacked if it was compressed.
    pub format: Format,
    /// Compression of the whole file.
    pub packed: Option<Codec>,
    /// The disk.
    pub source: Box<dyn Source>,
}

impl fmt::Debug for Opened {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Opened").field("format", &self.format).field("size", &self.source.size()).finish()
    }
}

/// The reason why a file cannot be read as a disk.
#[derive(Debug, thiserror::Error)]
pub enum OpenError {
    /// The file could not be accessed.
    #[error(transparent)]
    Access(#[from] PathError),
    /// The file is no disk image, is damaged, or must not be used.
    #[error("{} cannot be used as a disk image: {reason}", path.display())]
    Refused {
        /// The file.
        path: PathBuf,
        /// The fault.
        reason: String,
        /// Advice.
        help: Option<&'static str>,
    },
    /// The file is compressed and cannot be unpacked.
    #[error("cannot unpack {}", path.display())]
    Unpack {
        /// The file.
        path: PathBuf,
        /// The error.
        #[source]
        source: UnpackError,
    },
}

impl OpenError {
    /// Returns advice, if there is any.
    pub fn help(&self) -> Option<&'static str> {
        match self {
            Self::Access(_) => None,
            Self::Unpack { source, .. } => match source {
                UnpackError::Read(_) => Some(fault::GET_AGAIN),
                UnpackError::NoSpace { .. } => Some("make room there, or unpack it elsewhere"),
                UnpackError::Bomb { .. } => Some("if you trust it, unpack it yourself"),
                UnpackError::TooLarge { .. } => {
                    Some("if you trust it, `goldsmith convert --max-size SIZE` allows more")
                }
                UnpackError::Write { .. } | UnpackError::Interrupted => None,
            },
            Self::Refused { help, .. } => *help,
        }
    }

    fn of(path: &Path, fault: Fault) -> Self {
        match fault {
            Fault::Access(source) => PathError { path: path.to_owned(), source }.into(),
            Fault::Bad(Complaint { reason, help }) => Self::Refused { path: path.to_owned(), reason, help },
        }
    }
}

/// Opens an image file. Finds its format from its content, never from its name.
///
/// # Errors
///
/// The fault of the file. [`OpenError::help`] has advice.
pub fn open(path: &Path, options: &Options<'_>) -> Result<Opened, OpenError> {
    open_file(regular_file(path)?, path, options, 0)
}

/// Opens an image file that may be compressed as a whole. `progress` receives the bytes of the compressed file that were unpacked
/// so far, and its length.
///
/// # Errors
///
/// As for [`open`], and errors of unpacking.
pub fn open_packed(
    path: &Path,
    options: &Options<'_>,
    unpack: &Unpack<'_>,
    progress: &mut dyn FnMut(u64, u64),
) -> Result<Opened, OpenError> {
    let file = regular_file(path)?;
    let Kind::Packed(codec) = probe::identify(&file).at(path)? else {
        return open_file(file, path, options, 0);
    };
    let length = file.metadata().at(path)?.len();
    let unpacked = unpack::unpack(file, codec, unpack, &mut |read| progress(read, length))
        .map_err(|source| OpenError::Unpack { path: path.to_owned(), source })?;
    let opened = open_file(unpacked, path, options, 0)?;
    Ok(Opened { packed: Some(codec), ..opened })
}

fn regular_file(path: &Path) -> Result<File, OpenError> {
    // Opening a pipe would block.
    if !path.metadata().at(path)?.is_file() {
        return Err(OpenError::of(path, bad("it is no regular file")));
    }
    Ok(File::open(path).at(path)?)
}

fn open_file(file: File, path: &Path, options: &Options<'_>, depth: usize) -> Result<Opened, OpenError> {
    let refused = |fault| OpenError::of(path, fault);
    let kind = probe::identify(&file).at(path)?;
    let format = expected(kind, options.format).map_err(refused)?;
    let source = match format.reader() {
        Some(reader) => {
            let backing = reader.backing(&file).map_err(refused)?;
            let backing = backing.filter(|_| !matches!(options.backing, Backing::Ignore));
            let below = backing.map(|backing| open_backing(path, &backing, options, depth)).transpose()?;
            reader.open(file, below).map_err(refused)?
        }
        None => open_raw(file).map_err(refused)?,
    };
    Ok(Opened { format, packed: None, source })
}

/// Returns the format to read a file in, from its content and the wanted format.
fn expected(kind: Kind, wanted: Option<Format>) -> Result<Format, Fault> {
    match (kind, wanted) {
        (Kind::Disk(found), None) => Ok(found),
        (Kind::Disk(found), Some(wanted)) if found == wanted => Ok(found),
        (Kind::Unknown, Some(Format::Raw)) => Ok(Format::Raw),
        (Kind::Disk(found), Some(wanted)) => Err(bad(format!("it is a {found} image, not {wanted}"))),
        (Kind::Other(other), _) => {
            Err(Fault::Bad(Complaint { reason: format!("it is {}", other.what), help: other.help }))
        }
        (Kind::Packed(codec), _) => Err(bad(format!("it is a {} file", codec.name())).help("unpack it first")),
        (Kind::Unknown, None) => Err(bad("it is no image of a known format, and no raw disk with a partition table")),
        (Kind::Unknown, Some(wanted)) => Err(bad(format!("it is no {wanted} image"))),
    }
}

/// Opens a raw disk.
fn open_raw(file: File) -> Result<Box<dyn Source>, Fault> {
    let raw = Raw::new(file)?;
    if let Some(reason) = bad_size(raw.size()) {
        return Err(bad(reason));
    }
    if !raw.size().is_multiple_of(512) {
        let reason = format!("its {} bytes are no whole number of sectors: it seems truncated", raw.size());
        return Err(damaged(reason));
    }
    Ok(Box::new(raw))
}

/// Opens the backing file of a layer, if that is allowed.
fn open_backing(
    path: &Path,
    backing: &BackingFile,
    options: &Options<'_>,
    depth: usize,
) -> Result<Box<dyn Source>, OpenError> {
    let refused = |fault| OpenError::of(path, fault);
    let name = printable(backing.name.as_deref().unwrap_or_default());
    let Backing::Within(directory) = options.backing else {
        let fault = bad(format!("it is an overlay that needs a backing file, `{name}`"));
        return Err(refused(fault.help("merge both with `qemu-img convert -O qcow2`")));
    };
    if depth >= DEEPEST {
        return Err(refused(bad(format!("its chain of backing files has more than {DEEPEST} layers, or a cycle"))));
    }
    let format = match backing.format.as_deref() {
        Some(b"qcow2") => Format::Qcow2,
        Some(b"raw") => Format::Raw,
        _ => return Err(refused(bad(format!("it does not say which format its backing file `{name}` has")))),
    };
    // Joining an absolute name gives that name.
    let joined = path.parent().unwrap_or(Path::new(".")).join(&name);
    let (directory, found) = (directory.canonicalize().at(directory)?, joined.canonicalize().at(&joined)?);
    if !found.starts_with(&directory) {
        let directory = directory.display();
        return Err(refused(bad(format!("its backing file `{name}` is not below {directory}"))));
    }
    let options = Options { format: Some(format), ..*options };
    let below = open_file(regular_file(&found)?, &found, &options, depth + 1)?;
    Ok(below.source)
}
