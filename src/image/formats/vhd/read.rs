//! Reads Microsoft's VHD files, fixed and dynamic (Microsoft, "Virtual Hard Disk Image Format Specification", 1.0).

use std::fs::File;
use std::io;

use crate::image::read::Pages;
use crate::image::read::fault::{Fault, bad, damaged, rotten};
use crate::image::read::fields::Fields;
use crate::image::read::mapped::{Map, Piece};
use crate::image::read::size::bad_size;

/// The first bytes of a footer.
pub(super) const COOKIE: &[u8] = b"conectix";

const SECTOR: u64 = 512;
/// Length of a footer, in bytes.
pub(super) const FOOTER: u64 = 512;
/// Table entry of a block that is not in the file.
const NOWHERE: u32 = u32::MAX;

/// Advice for a disk with a parent.
const MERGE: &str = "merge it into its parent with the program that made it";

/// A footer as read, valid or not.
#[derive(Debug, Clone)]
pub(super) struct Footer {
    /// Offset of the dynamic header, in bytes.
    pub(super) data_offset: u64,
    /// Size of the disk, in bytes. Old programs compute a smaller size from cylinders, heads and sectors, which cannot express
    /// every size. They ignore the rest of the disk.
    pub(super) size: u64,
    /// The kind: 2 is fixed, 3 dynamic, 4 differencing.
    pub(super) kind: u32,
    pub(super) creator: String,
    /// Whether the first bytes and the checksum are those of a footer.
    pub(super) valid: bool,
}

impl Footer {
    /// Reads the footer at the end of a file.
    pub(super) fn read(file: &File) -> io::Result<Self> {
        let length = file.metadata()?.len();
        Self::read_at(file, length.saturating_sub(FOOTER))
    }

    /// Reads a footer at an offset; dynamic disks have a copy of it at the beginning of the file.
    pub(super) fn read_at(file: &File, offset: u64) -> io::Result<Self> {
        let fields = Fields::read(file, offset, FOOTER as usize)?;
        let whole = fields.bytes().len() == FOOTER as usize && fields.slice(0, 8) == COOKIE;
        Ok(Self {
            data_offset: fields.be64(16),
            size: fields.be64(48),
            kind: fields.be32(60),
            creator: crate::text::printable(fields.slice(28, 4)).trim_end().to_owned(),
            valid: whole && fields.be32(64) == checksum(&fields, 64),
        })
    }

    /// Returns the name of the kind.
    pub(super) fn subformat(&self) -> Option<&'static str> {
        match self.kind {
            2 => Some("fixed"),
            3 => Some("dynamic"),
            4 => Some("differencing"),
            _ => None,
        }
    }
}

/// Returns the checksum: the complement of the sum of all bytes but those of the checksum itself.
fn checksum(fields: &Fields, at: usize) -> u32 {
    !fields.without(at, 4).iter().fold(0_u32, |sum, byte| sum.wrapping_add(u32::from(*byte)))
}

/// The tables of a dynamic VHD file.
#[derive(Debug)]
pub(super) struct Dynamic {
    /// Offset of the table of blocks, in bytes.
    table: u64,
    /// Bytes of a block.
    block: u64,
    /// Bytes of the map of sectors before each block. We ignore it: all known programs write zeros into the block itself for a
    /// sector that was never written.
    bitmap: u64,
}

/// A VHD file.
#[derive(Debug)]
pub(super) enum Vhd {
    /// The disk, then a footer.
    Fixed {
        /// Bytes of the disk.
        size: u64,
    },
    /// Blocks that are found through a table.
    Dynamic {
        /// Bytes of the disk.
        size: u64,
        /// The table.
        map: Dynamic,
    },
}

impl Vhd {
    /// Checks the headers of a file and reads the place of its tables.
    pub(super) fn new(pages: &Pages) -> Result<Self, Fault> {
        let footer = Footer::read(pages.file())?;
        if !footer.valid {
            return Err(damaged("it is truncated or damaged: it does not end with a valid VHD footer"));
        }
        let size = footer.size;
        if let Some(reason) = bad_size(size) {
            return Err(bad(reason));
        }
        if !size.is_multiple_of(SECTOR) {
            return Err(damaged(format!("its disk of {size} bytes is no whole number of sectors")));
        }
        match footer.kind {
            2 if size > pages.length() - FOOTER => {
                Err(damaged(format!("it is truncated: it has {} bytes for a disk of {size}", pages.length() - FOOTER)))
            }
            2 => Ok(Self::Fixed { size }),
            3 => Ok(Self::Dynamic { size, map: Dynamic::new(pages, footer.data_offset, size)? }),
            4 => Err(bad("it holds only what changed of another disk, its parent").help(MERGE)),
            kind => Err(damaged(format!("VHD type {kind} is not known"))),
        }
    }
}

impl Dynamic {
    fn new(pages: &Pages, offset: u64, size: u64) -> Result<Self, Fault> {
        let fields = Fields::read(pages.file(), offset, 1024)?;
        if fields.slice(0, 8) != b"cxsparse" || fields.be32(36) != checksum(&fields, 36) {
            return Err(damaged("its dynamic header is damaged"));
        }
        let (table, entries, block) = (fields.be64(16), u64::from(fields.be32(28)), u64::from(fields.be32(32)));
        // All known programs use 2 MiB or 512 KiB.
        if !block.is_power_of_two() || !(4096..=256 << 20).contains(&block) {
            return Err(damaged(format!("its blocks of {block} bytes are not possible")));
        }
        if entries < size.div_ceil(block) {
            return Err(damaged(format!("its table of {entries} blocks of {block} bytes is too short for its disk")));
        }
        if table < FOOTER || !pages.holds(table, size.div_ceil(block) * 4) {
            return Err(damaged("it is truncated or damaged: its block allocation table lies beyond its end"));
        }
        let bitmap = (block / SECTOR / 8).next_multiple_of(SECTOR);
        Ok(Self { table, block, bitmap })
    }
}

impl Map for Dynamic {
    fn block_size(&self) -> u64 {
        self.block
    }

    fn piece(&self, pages: &Pages, offset: u64) -> io::Result<(Piece, u64)> {
        let within = offset % self.block;
        let entry = pages.be32(self.table + offset / self.block * 4)?;
        let left = self.block - within;
        if entry == NOWHERE {
            return Ok((Piece::Zero, left));
        }
        let at = u64::from(entry) * SECTOR;
        if at < FOOTER || at + self.bitmap >= pages.length() {
            return Err(rotten(format!("a block at sector {entry} lies beyond its end: it is truncated or damaged")));
        }
        Ok((Piece::Plain(at + self.bitmap + within), left))
    }
}
