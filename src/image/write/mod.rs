//! Writers of image files, one for each kind of format.

mod flat;
mod qcow2;
mod stream;

use std::fs::File;
use std::io;

pub use stream::Stream;

use super::digests::Kinds;
use super::{Encoding, Extents, Sink};

/// A disk as its writers must know it before the first byte.
#[derive(Debug, Clone, Copy)]
pub struct Disk<'a> {
    /// Its size, in bytes.
    pub size: u64,
    /// Where its data is.
    pub extents: &'a Extents,
    /// What identifiers in the files are made of: the same disk and the same seed give the same files.
    pub seed: &'a [u8; 32],
}

/// A sink that writes a disk into an empty file.
///
/// # Errors
///
/// `Unsupported` for an encoding that holds no disk, and whatever writing a header fails with.
pub fn sink(encoding: &Encoding, disk: &Disk<'_>, file: File, kinds: Kinds) -> io::Result<Box<dyn Sink>> {
    if let Encoding::Qcow2 { codec: Some(codec), cluster_size, compat } = *encoding {
        return Ok(Box::new(qcow2::Compressed::new(file, kinds, disk.size, codec, cluster_size, compat)?));
    }
    let stream = Stream::new(file, kinds);
    Ok(match *encoding {
        Encoding::Qcow2 { codec: None, cluster_size, compat } => {
            Box::new(qcow2::Plain::new(stream, disk.size, disk.extents, cluster_size, compat)?)
        }
        Encoding::Raw(None) => Box::new(flat::Flat::new(stream, disk.size)),
        other => return Err(io::Error::new(io::ErrorKind::Unsupported, format!("{other:?} holds no disk"))),
    })
}
