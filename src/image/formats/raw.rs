//! Raw disks: the file is the disk, byte for byte. It may be compressed as a whole.

use std::fs::File;
use std::io;

use crate::image::Sink;
use crate::image::digests::Kinds;
use crate::image::options::Codec;
use crate::image::traits::FormatTraits;
use crate::image::write::{CompressedFlat, Disk, Flat, Stream};

/// The properties of the format.
pub(in crate::image) const TRAITS: FormatTraits = FormatTraits::disk("raw", &["compression"]);

/// Creates a writer.
pub(in crate::image) fn sink(
    codec: Option<Codec>,
    disk: &Disk<'_>,
    file: File,
    kinds: Kinds,
) -> io::Result<Box<dyn Sink>> {
    let stream = Stream::new(file, kinds);
    Ok(match codec {
        None => Box::new(Flat::new(stream, disk.size, Vec::new())),
        Some(codec) => Box::new(CompressedFlat::new(stream, codec, disk.size)?),
    })
}
