//! Reads Hyper-V's VHDX files (Microsoft, MS-VHDX).

use std::fs::File;
use std::io;

use crate::image::read::Pages;
use crate::image::read::fault::{Fault, bad, damaged, rotten};
use crate::image::read::fields::Fields;
use crate::image::read::mapped::{Map, Piece};
use crate::image::read::size::bad_size;

/// The first bytes of the file.
pub(super) const MAGIC: &[u8] = b"vhdxfile";

const MIB: u64 = 1 << 20;
/// Offsets of the two headers and the two region tables (2.2).
const HEADERS: [u64; 2] = [64 << 10, 128 << 10];
const REGIONS: [u64; 2] = [192 << 10, 256 << 10];
/// Lengths of a header and of a table, in bytes. The checksums cover them.
const HEADER_LENGTH: usize = 4 << 10;
const TABLE_LENGTH: usize = 64 << 10;

/// Identifiers, as they are stored: BAT and metadata region (2.2.3), items of the metadata (2.6.2).
const BAT: [u8; 16] = guid(0x2dc2_7766, 0xf623, 0x4200, 0x9d64_115e_9bfd_4a08);
const METADATA: [u8; 16] = guid(0x8b7c_a206, 0x4790, 0x4b9a, 0xb8fe_575f_050f_886e);
const PARAMETERS: [u8; 16] = guid(0xcaa1_6737, 0xfa36, 0x4d43, 0xb3b6_33f0_aa44_e76b);
const SIZE: [u8; 16] = guid(0x2fa5_4224, 0xcd1b, 0x4876, 0xb211_5dbe_d83b_f4b8);
const LOGICAL_SECTOR: [u8; 16] = guid(0x8141_bf1d, 0xa96f, 0x4709, 0xba47_f233_a8fa_ab5f);

/// Returns a GUID as it is stored: three little-endian numbers, then bytes.
const fn guid(a: u32, b: u16, c: u16, d: u64) -> [u8; 16] {
    let (a, b, c, d) = (a.to_le_bytes(), b.to_le_bytes(), c.to_le_bytes(), d.to_be_bytes());
    [a[0], a[1], a[2], a[3], b[0], b[1], c[0], c[1], d[0], d[1], d[2], d[3], d[4], d[5], d[6], d[7]]
}

/// The values of a file's headers and tables, after a check.
#[derive(Debug, Clone)]
pub(super) struct Header {
    /// Size of the disk, in bytes.
    pub(super) size: u64,
    /// Bytes of a block.
    pub(super) block: u64,
    /// Bytes of a sector as the guest sees it.
    pub(super) sector: u64,
    /// Whether the file stores all blocks.
    pub(super) fixed: bool,
    /// Whether the file is a difference to another disk.
    pub(super) has_parent: bool,
    /// Whether the log may hold changes.
    pub(super) has_log: bool,
    bat: (u64, u64),
}

impl Header {
    /// Reads headers, regions and metadata.
    pub(super) fn read(file: &File) -> Result<Self, Fault> {
        let current = HEADERS
            .iter()
            .map(|offset| Fields::read(file, *offset, HEADER_LENGTH))
            .collect::<Result<Vec<_>, _>>()?
            .into_iter()
            .filter(|fields| fields.slice(0, 4) == b"head" && is_intact(fields, HEADER_LENGTH))
            .max_by_key(|fields| fields.le64(8))
            .ok_or_else(|| damaged("neither of its headers is valid"))?;
        if current.le16(66) != 1 {
            return Err(bad(format!("VHDX version {} is not known", current.le16(66))));
        }
        let log = (current.le64(72), u64::from(current.le32(68)));
        let has_log = current.slice(48, 16).iter().any(|byte| *byte != 0);
        let regions = REGIONS
            .iter()
            .map(|offset| Fields::read(file, *offset, TABLE_LENGTH))
            .collect::<Result<Vec<_>, _>>()?
            .into_iter()
            .find(|fields| fields.slice(0, 4) == b"regi" && is_intact(fields, TABLE_LENGTH))
            .ok_or_else(|| damaged("neither of its region tables is valid"))?;
        let (bat, metadata) = find_regions(&regions, log)?;
        let fields = Fields::read(file, metadata.0, TABLE_LENGTH)?;
        if fields.slice(0, 8) != b"metadata" {
            return Err(damaged("its metadata table is not where its region table says"));
        }
        let item = |id: &[u8; 16], what: &str, length: u32| -> Result<Fields, Fault> {
            let entry = (0..usize::from(fields.le16(10)).min(2047)).map(|index| 32 + index * 32);
            let mut found = entry.filter(|at| fields.slice(*at, 16) == id);
            let at = found.next().ok_or_else(|| damaged(format!("its metadata has no {what}")))?;
            let (offset, there) = (fields.le32(at + 16), fields.le32(at + 20));
            if there < length || u64::from(offset) + u64::from(there) > metadata.1 {
                return Err(damaged(format!("its metadata has no valid {what}")));
            }
            Ok(Fields::read(file, metadata.0 + u64::from(offset), there.min(64) as usize)?)
        };
        let parameters = item(&PARAMETERS, "file parameters", 8)?;
        Ok(Self {
            size: item(&SIZE, "size of the disk", 8)?.le64(0),
            block: parameters.le32(0).into(),
            sector: item(&LOGICAL_SECTOR, "size of sectors", 4)?.le32(0).into(),
            fixed: parameters.le32(4) & 1 != 0,
            has_parent: parameters.le32(4) & 2 != 0,
            has_log,
            bat,
        })
    }
}

/// Returns whether the checksum of a header or table is right: CRC-32C, with zeros in its own field.
fn is_intact(fields: &Fields, length: usize) -> bool {
    fields.bytes().len() == length
        && fields.le32(4) == crc::Crc::<u32>::new(&crc::CRC_32_ISCSI).checksum(&fields.without(4, 4))
}

/// An offset in the file and a length, in bytes.
type Place = (u64, u64);

/// Finds the table of blocks and the metadata, and refuses regions that overlap.
fn find_regions(table: &Fields, log: Place) -> Result<(Place, Place), Fault> {
    let (mut bat, mut metadata) = (None, None);
    let mut taken = vec![(0, MIB)];
    if log.1 > 0 {
        taken.push(log);
    }
    for index in 0..table.le32(8).min(2047) as usize {
        let at = 16 + index * 32;
        let place = (table.le64(at + 16), u64::from(table.le32(at + 24)));
        match table.slice(at, 16) {
            id if id == BAT => bat = Some(place),
            id if id == METADATA => metadata = Some(place),
            _ if table.le32(at + 28) & 1 != 0 => {
                return Err(bad("it needs a region of a kind that is not supported"));
            }
            _ => {}
        }
        taken.push(place);
    }
    taken.sort_unstable();
    let overlap = taken.windows(2).any(|pair| pair[0].0.checked_add(pair[0].1).is_none_or(|end| end > pair[1].0));
    match (bat, metadata) {
        _ if overlap => Err(damaged("its regions overlap")),
        (Some(bat), Some(metadata)) => Ok((bat, metadata)),
        _ => Err(damaged("its region table names no block table or no metadata")),
    }
}

/// The block allocation table of a VHDX file.
#[derive(Debug)]
pub(super) struct Vhdx {
    header: Header,
    /// The table has an entry for a map of sectors after so many blocks.
    chunk: u64,
}

impl Vhdx {
    /// Checks the headers of a file and creates its map.
    pub(super) fn new(pages: &Pages) -> Result<Self, Fault> {
        let header = Header::read(pages.file())?;
        if header.has_log {
            return Err(bad("its log holds changes that are not in the disk yet: it was not closed properly")
                .help("attach it once to Hyper-V, or run `qemu-img check -r all` on it, then try again"));
        }
        if header.has_parent {
            return Err(bad("it holds only what changed of another disk, its parent")
                .help("merge both with `Merge-VHD` of Hyper-V"));
        }
        if let Some(reason) = bad_size(header.size) {
            return Err(bad(reason));
        }
        if !matches!(header.sector, 512 | 4096) || !header.size.is_multiple_of(header.sector) {
            return Err(damaged(format!(
                "its disk of {} bytes has no whole sectors of {}",
                header.size, header.sector
            )));
        }
        if !header.block.is_power_of_two() || !(MIB..=256 * MIB).contains(&header.block) {
            return Err(damaged(format!("its blocks of {} bytes are not possible", header.block)));
        }
        let chunk = (header.sector << 23) / header.block;
        let blocks = header.size.div_ceil(header.block);
        let entries = blocks + (blocks - 1) / chunk;
        let (offset, length) = header.bat;
        if length < entries * 8 || !pages.holds(offset, entries * 8) {
            return Err(damaged("it is truncated or damaged: its block table lies beyond its end"));
        }
        Ok(Self { header, chunk })
    }

    /// Returns the size of the disk, in bytes.
    pub(super) fn size(&self) -> u64 {
        self.header.size
    }
}

impl Map for Vhdx {
    fn block_size(&self) -> u64 {
        self.header.block
    }

    fn piece(&self, pages: &Pages, offset: u64) -> io::Result<(Piece, u64)> {
        let block = self.header.block;
        let (number, within) = (offset / block, offset % block);
        let left = block - within;
        let entry = pages.le64(self.header.bat.0 + (number + number / self.chunk) * 8)?;
        let at = entry >> 20 << 20;
        match entry & 7 {
            // Not present, undefined, zero, unmapped (5 before version 1): never written, or discarded (2.5.1.1).
            0..=3 | 5 => Ok((Piece::Zero, left)),
            6 if at < MIB || at >= pages.length() => {
                Err(rotten(format!("a block at {at} lies beyond its end: it is truncated or damaged")))
            }
            6 => Ok((Piece::Plain(at + within), left)),
            state => Err(rotten(format!("a block has the state {state}, which a whole disk does not have"))),
        }
    }
}
