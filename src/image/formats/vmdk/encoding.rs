//! What the list of formats needs to know of writing VMDK.

use std::fs::File;
use std::io;

use super::options::VmdkOptions;
use super::sparse::sparse;
use super::stream::VmdkStream;
use crate::image::Sink;
use crate::image::digests::Kinds;
use crate::image::options::{FormatOptions, OutputError, Subformat};
use crate::image::traits::FormatTraits;
use crate::image::write::{Blocks, Disk, Stream};

/// Largest disk, in bytes: numbers of grains' sectors have 32 bits.
pub(in crate::image) const MAX_SIZE: u64 = (2 << 40) - (64 << 10);

/// The properties of the format.
pub(in crate::image) const TRAITS: FormatTraits =
    FormatTraits { max_size: MAX_SIZE, ..FormatTraits::disk("vmdk", &["subformat", "adapter", "tools-version"]) };

/// The encoding of a VMDK file.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum VmdkEncoding {
    /// Compressed grains.
    Stream(VmdkOptions),
    /// Uncompressed grains.
    Sparse(VmdkOptions),
}

impl VmdkEncoding {
    /// Returns the encoding that options ask for.
    pub(in crate::image) fn new(options: &FormatOptions) -> Result<Self, OutputError> {
        match options.subformat {
            None | Some(Subformat::StreamOptimized) => Ok(Self::Stream(VmdkOptions::new(options))),
            Some(Subformat::MonolithicSparse) => Ok(Self::Sparse(VmdkOptions::new(options))),
            Some(_) => Err(OutputError::subformat(TRAITS.name, "`streamOptimized` or `monolithicSparse`")),
        }
    }

    /// Returns whether the grains are compressed.
    pub(in crate::image) fn is_compressed(self) -> bool {
        matches!(self, Self::Stream(_))
    }

    /// Creates a writer.
    pub(in crate::image) fn sink(self, disk: &Disk<'_>, file: File, kinds: Kinds) -> io::Result<Box<dyn Sink>> {
        TRAITS.check_size(disk.size)?;
        let stream = Stream::new(file, kinds);
        Ok(match self {
            Self::Stream(options) => Box::new(VmdkStream::new(disk, &options, stream)?),
            Self::Sparse(options) => Box::new(Blocks::new(sparse(disk, &options)?, disk.extents, stream)?),
        })
    }
}
