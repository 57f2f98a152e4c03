//! VMware's VMDK in one file: monolithicSparse and streamOptimized (VMware, "Virtual Disk Format 1.1").
//!
//! A descriptor may name any number of files of the host. None of them is ever opened: what is not all in the one file
//! is refused.

mod descriptor;

use std::fs::File;
use std::io;

pub(in crate::image) use descriptor::Descriptor;

use super::fault::{Fault, bad, damaged, rotten};
use super::fields::Fields;
use super::mapped::{Map, Piece};
use super::pages::Pages;
use super::size::bad_size;
use super::unpack::{Method, Packed};
use crate::text::printable;

/// How the file begins.
pub(in crate::image) const MAGIC: &[u8] = b"KDMV";

const SECTOR: u64 = 512;
/// An entry of 1 in a table of grains means zeros.
const ZERO_GRAINS: u32 = 1 << 2;
/// Grains are compressed.
const COMPRESSED: u32 = 1 << 16;
/// Grains have markers.
const MARKERS: u32 = 1 << 17;
/// Offset of a directory that is in the footer.
const AT_END: u64 = u64::MAX;

/// What helps where a disk is in several files.
const JOIN: &str = "join its files with `qemu-img convert`, after a look at the names in its descriptor";

/// A header as it is, whether it makes sense or not. Offsets and sizes are in sectors.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(in crate::image) struct Header {
    pub(in crate::image) version: u32,
    pub(in crate::image) flags: u32,
    pub(in crate::image) capacity: u64,
    pub(in crate::image) grain: u64,
    pub(in crate::image) descriptor_offset: u64,
    pub(in crate::image) descriptor_size: u64,
    pub(in crate::image) table_entries: u32,
    pub(in crate::image) directory: u64,
    pub(in crate::image) compression: u16,
    /// Whether there are as many bytes as a header has, and they begin like one.
    pub(in crate::image) whole: bool,
}

impl Header {
    /// Reads what is at some place of a file.
    pub(in crate::image) fn read(file: &File, offset: u64) -> io::Result<Self> {
        let fields = Fields::read(file, offset, SECTOR as usize)?;
        Ok(Self {
            version: fields.le32(4),
            flags: fields.le32(8),
            capacity: fields.le64(12),
            grain: fields.le64(20),
            descriptor_offset: fields.le64(28),
            descriptor_size: fields.le64(36),
            table_entries: fields.le32(44),
            directory: fields.le64(56),
            compression: fields.le16(77),
            whole: fields.bytes().len() == SECTOR as usize && fields.slice(0, 4) == MAGIC,
        })
    }

    /// Whether the directory is where the file ends.
    pub(in crate::image) fn has_footer(&self) -> bool {
        self.directory == AT_END
    }

    /// Reads the footer: the sector before the last one.
    pub(in crate::image) fn read_footer(file: &File) -> io::Result<Self> {
        let length = file.metadata()?.len();
        Self::read(file, length.saturating_sub(2 * SECTOR))
    }

    /// The descriptor in the file, if there is one.
    pub(in crate::image) fn descriptor(&self, file: &File) -> io::Result<Option<Descriptor>> {
        let (offset, length) =
            (self.descriptor_offset.saturating_mul(SECTOR), self.descriptor_size.saturating_mul(SECTOR));
        if offset == 0 || length == 0 {
            return Ok(None);
        }
        Descriptor::read(file, offset, length).map(Some)
    }

    /// Size of the disk, in bytes.
    pub(in crate::image) fn size(&self) -> u64 {
        self.capacity.saturating_mul(SECTOR)
    }
}

/// The tables of a VMDK file.
#[derive(Debug)]
pub(super) struct Vmdk {
    header: Header,
    /// Bytes of a grain.
    grain: u64,
    /// Offset of the directory, in bytes.
    directory: u64,
}

impl Vmdk {
    /// Examines a file of this format.
    pub(super) fn new(pages: &Pages) -> Result<Self, Fault> {
        let mut header = Header::read(pages.file(), 0)?;
        if !header.whole {
            return Err(damaged("it ends within its VMDK header"));
        }
        check(&header)?;
        let Some(descriptor) = header.descriptor(pages.file())? else {
            return Err(bad("it is one of the several files of a VMDK disk: it has no descriptor").help(JOIN));
        };
        check_descriptor(&descriptor)?;
        if header.has_footer() {
            let footer = Header::read_footer(pages.file())?;
            if !footer.whole {
                return Err(damaged("it is truncated: its footer is missing"));
            }
            let same = Header { directory: AT_END, ..footer.clone() } == header;
            if !same || footer.has_footer() {
                return Err(damaged("its footer says something else than its header"));
            }
            header = footer;
        }
        let grain = header.grain * SECTOR;
        let tables = header.size().div_ceil(grain * u64::from(header.table_entries));
        let directory = header.directory.saturating_mul(SECTOR);
        if directory == 0 || !pages.holds(directory, tables * 4) {
            return Err(damaged("it is truncated: its grain directory lies beyond its end"));
        }
        Ok(Self { header, grain, directory })
    }

    /// Size of the disk, in bytes.
    pub(super) fn size(&self) -> u64 {
        self.header.size()
    }
}

fn check(header: &Header) -> Result<(), Fault> {
    if !(1..=3).contains(&header.version) {
        return Err(bad(format!("VMDK version {} is not known", header.version)));
    }
    if let Some(reason) = bad_size(header.size()) {
        return Err(bad(reason));
    }
    // QEMU takes grains of up to 1 GiB; those of all known writers are far smaller.
    if !header.grain.is_power_of_two() || !(8..=4096).contains(&header.grain) {
        return Err(damaged(format!("its grains of {} sectors are not possible", header.grain)));
    }
    if !(1..=512).contains(&header.table_entries) {
        return Err(damaged(format!("its grain tables of {} entries are not possible", header.table_entries)));
    }
    if header.flags & COMPRESSED != 0 && header.compression != 1 {
        return Err(bad(format!("its compression {} is not known", header.compression)));
    }
    Ok(())
}

fn check_descriptor(descriptor: &Descriptor) -> Result<(), Fault> {
    let kind = printable(descriptor.create_type.as_deref().unwrap_or_default().as_bytes());
    if !matches!(kind.as_str(), "monolithicSparse" | "streamOptimized") {
        return Err(bad(format!("it is a VMDK disk of type `{kind}`, whose data is in other files")).help(JOIN));
    }
    if descriptor.has_parent() {
        return Err(bad("it holds only what changed of another disk, its parent")
            .help("merge both with the program that made it, or with `qemu-img convert`"));
    }
    let [extent] = descriptor.extents.as_slice() else {
        let count = descriptor.extents.len();
        return Err(bad(format!("its descriptor has {count} extents, not one")).help(JOIN));
    };
    let name = printable(extent.name.as_deref().unwrap_or_default().as_bytes());
    if extent.kind != "SPARSE" {
        let kind = printable(extent.kind.as_bytes());
        return Err(bad(format!("its extent `{name}` is {kind}, not SPARSE")).help(JOIN));
    }
    if name.contains('/') {
        return Err(bad(format!("its descriptor names a file in another directory, `{name}`")).help(JOIN));
    }
    Ok(())
}

impl Map for Vmdk {
    fn block_size(&self) -> u64 {
        self.grain
    }

    fn piece(&self, pages: &Pages, offset: u64) -> io::Result<(Piece, u64)> {
        let entries = u64::from(self.header.table_entries);
        let number = offset / self.grain;
        let within = offset % self.grain;
        let left = self.grain - within;
        let table = u64::from(pages.le32(self.directory + number / entries * 4)?) * SECTOR;
        if table == 0 {
            return Ok((Piece::Zero, (entries - number % entries - 1) * self.grain + left));
        }
        let entry = pages.le32(table + number % entries * 4)?;
        let at = u64::from(entry) * SECTOR;
        let zero = entry == 0 || (entry == 1 && self.header.flags & ZERO_GRAINS != 0);
        if zero {
            return Ok((Piece::Zero, left));
        }
        if at >= pages.length() {
            return Err(rotten(format!("a grain at sector {entry} lies beyond its end: it is truncated or damaged")));
        }
        if self.header.flags & COMPRESSED == 0 {
            return Ok((Piece::Plain(at + within), left));
        }
        let block = offset - within;
        let needed = (self.size() - block).min(self.grain);
        let method = Method::Grain {
            sector: (self.header.flags & MARKERS != 0).then_some(block / SECTOR),
            needed: usize::try_from(needed).map_err(io::Error::other)?,
        };
        // What does not shrink grows a little: deflate adds five bytes to 16 KiB at most, zlib and the marker some more.
        let length = self.grain + self.grain / 1024 + 2 * SECTOR;
        Ok((Piece::Packed { block, packed: Packed { at, length, method } }, left))
    }
}
