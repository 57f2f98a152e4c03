//! What the list of formats needs to know of VHD.

use std::fs::File;
use std::io;

use super::read::{COOKIE, Footer, Vhd};
use super::write::{dynamic, fixed_footer, fixed_size};
use crate::image::digests::Kinds;
use crate::image::options::{FormatOptions, OutputError, Subformat};
use crate::image::read::fault::Fault;
use crate::image::read::fields::Fields;
use crate::image::read::raw::Raw;
use crate::image::read::{Description, Mapped, Pages, Reader};
use crate::image::traits::FormatTraits;
use crate::image::write::{Blocks, Disk, Flat, Stream};
use crate::image::{Sink, Source};

/// The properties of the format. A dynamic VHD holds 2040 GiB (Microsoft, "Virtual Hard Disk Image Format Specification").
pub(in crate::image) const TRAITS: FormatTraits =
    FormatTraits { qemu: Some("vpc"), max_size: 2040 << 30, ..FormatTraits::disk("vhd", &["subformat"]) };

/// The encoding of a VHD file.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum VhdEncoding {
    /// Only blocks with data.
    Dynamic,
    /// A raw disk with a footer, its size a multiple of 1 MiB.
    Fixed,
}

impl VhdEncoding {
    /// Returns the encoding that options ask for.
    pub(in crate::image) fn new(options: &FormatOptions) -> Result<Self, OutputError> {
        match options.subformat {
            None | Some(Subformat::Dynamic) => Ok(Self::Dynamic),
            Some(Subformat::Fixed) => Ok(Self::Fixed),
            Some(_) => Err(OutputError::subformat(TRAITS.name, "`dynamic` or `fixed`")),
        }
    }

    /// Returns the size of a disk in a file.
    pub(in crate::image) fn stored_size(self, size: u64) -> u64 {
        match self {
            Self::Dynamic => size,
            Self::Fixed => fixed_size(size),
        }
    }

    /// Creates a writer.
    pub(in crate::image) fn sink(self, disk: &Disk<'_>, file: File, kinds: Kinds) -> io::Result<Box<dyn Sink>> {
        TRAITS.check_size(disk.size)?;
        let stream = Stream::new(file, kinds);
        Ok(match self {
            Self::Dynamic => Box::new(Blocks::new(dynamic(disk), disk.extents, stream)?),
            Self::Fixed => {
                let size = fixed_size(disk.size);
                Box::new(Flat::new(stream, size, fixed_footer(disk, size)))
            }
        })
    }
}

/// The reader.
pub(in crate::image) struct VhdReader;

impl Reader for VhdReader {
    fn recognize(&self, head: &Fields) -> bool {
        head.bytes().starts_with(COOKIE)
    }

    /// A fixed VHD is a raw disk with a footer.
    fn recognize_end(&self, file: &File) -> io::Result<bool> {
        let footer = Footer::read(file)?;
        Ok(footer.valid && footer.kind == 2)
    }

    fn describe(&self, file: &File, description: &mut Description) -> Result<(), Fault> {
        let at_end = Footer::read(file)?;
        // If the footer at the end is invalid, the copy at the beginning still has the size.
        let footer = if at_end.valid { at_end } else { Footer::read_at(file, 0)? };
        description.virtual_size = Some(footer.size);
        description.features.subformat = footer.subformat().map(str::to_owned);
        description.features.creator = Some(footer.creator.clone());
        description.mark("parent", footer.kind == 4);
        Ok(())
    }

    fn open(&self, file: File, _: Option<Box<dyn Source>>) -> Result<Box<dyn Source>, Fault> {
        let pages = Pages::new(file)?;
        Ok(match Vhd::new(&pages)? {
            Vhd::Fixed { size } => Box::new(Raw::part(pages.into_file(), size)),
            Vhd::Dynamic { size, map } => Box::new(Mapped::new(pages, Box::new(map), size, None)),
        })
    }

    fn inspect_as_openstack(&self, head: &Fields, _: &File) -> io::Result<Option<Vec<String>>> {
        Ok(self.recognize(head).then(Vec::new))
    }
}
