//! The tables of a sparse VMDK file, which map its grains.

use std::io;

use super::header::{AT_END, COMPRESSED, Header, JOIN, MARKERS, SECTOR, ZERO_GRAINS, check, check_descriptor};
use crate::image::read::Pages;
use crate::image::read::fault::{Fault, bad, damaged, rotten};
use crate::image::read::mapped::{Map, Piece};
use crate::image::read::unpack::{Method, Packed};

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
    /// Checks the header of a file and reads the place of its tables.
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
                return Err(damaged("its footer contradicts its header"));
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

    /// Returns the size of the disk, in bytes.
    pub(super) fn size(&self) -> u64 {
        self.header.size()
    }
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
        // Data that does not shrink grows a little: deflate adds five bytes to 16 KiB at most, zlib and the marker a few more.
        let length = self.grain + self.grain / 1024 + 2 * SECTOR;
        Ok((Piece::Packed { block, packed: Packed { at, length, method } }, left))
    }
}
