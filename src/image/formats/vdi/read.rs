//! Reads VirtualBox' VDI files, dynamic and fixed (VirtualBox, src/VBox/Storage/VDICore.h).

use std::fs::File;
use std::io;

use crate::image::read::Pages;
use crate::image::read::fault::{Fault, bad, damaged, rotten};
use crate::image::read::fields::Fields;
use crate::image::read::mapped::{Map, Piece};
use crate::image::read::size::bad_size;

/// The number at [`SIGNATURE_AT`], after a line of text.
pub(super) const SIGNATURE: u32 = 0xbeda_107f;

/// The offset of the signature, in bytes.
pub(super) const SIGNATURE_AT: usize = 64;

/// Entries from this number on are no blocks: `u32::MAX` was never written, `u32::MAX - 1` is zero.
const NO_BLOCK: u32 = u32::MAX - 1;

/// A header as read, valid or not.
#[derive(Debug, Clone)]
pub(super) struct Header {
    pub(super) version: u32,
    /// The kind: 1 is dynamic, 2 fixed, 3 undo, 4 differencing.
    pub(super) kind: u32,
    pub(super) size: u64,
    pub(super) block: u32,
    map: u32,
    data: u32,
    sector: u32,
    extra: u32,
    blocks: u32,
    has_parent: bool,
    whole: bool,
}

impl Header {
    /// Reads the header at the beginning of a file.
    pub(super) fn read(file: &File) -> io::Result<Self> {
        let fields = Fields::read(file, 0, 512)?;
        let parent = fields.slice(0x1a8, 32);
        Ok(Self {
            version: fields.le32(0x44),
            kind: fields.le32(0x4c),
            map: fields.le32(0x154),
            data: fields.le32(0x158),
            sector: fields.le32(0x168),
            size: fields.le64(0x170),
            block: fields.le32(0x178),
            extra: fields.le32(0x17c),
            blocks: fields.le32(0x180),
            has_parent: parent.iter().any(|byte| *byte != 0),
            whole: fields.bytes().len() == 512,
        })
    }

    /// Returns the name of the kind.
    pub(super) fn subformat(&self) -> Option<&'static str> {
        match self.kind {
            1 => Some("dynamic"),
            2 => Some("fixed"),
            3 => Some("undo"),
            4 => Some("differencing"),
            _ => None,
        }
    }
}

/// The map of a VDI file.
#[derive(Debug)]
pub(super) struct Vdi {
    header: Header,
}

impl Vdi {
    /// Checks the header of a file and creates its map.
    pub(super) fn new(pages: &Pages) -> Result<Self, Fault> {
        let header = Header::read(pages.file())?;
        if !header.whole {
            return Err(damaged("it ends within its VDI header"));
        }
        if header.version != 0x1_0001 {
            let (major, minor) = (header.version >> 16, header.version & 0xffff);
            return Err(bad(format!("VDI version {major}.{minor} is not known")));
        }
        if matches!(header.kind, 3 | 4) || header.has_parent {
            return Err(bad("it holds only what changed of another disk, its parent")
                .help("merge both with `VBoxManage clonemedium`"));
        }
        if !matches!(header.kind, 1 | 2) {
            return Err(damaged(format!("VDI type {} is not known", header.kind)));
        }
        if let Some(reason) = bad_size(header.size) {
            return Err(bad(reason));
        }
        if !header.block.is_power_of_two() || !(4096..=256 << 20).contains(&header.block) || header.extra != 0 {
            let Header { block, extra, .. } = header;
            return Err(damaged(format!("its blocks of {block} bytes with {extra} more are not possible")));
        }
        if header.sector != 512 || !header.size.is_multiple_of(512) {
            return Err(damaged("its disk is no whole number of sectors of 512 bytes"));
        }
        let needed = header.size.div_ceil(u64::from(header.block));
        if u64::from(header.blocks) < needed {
            return Err(damaged(format!("its map of {} blocks is too short for its disk", header.blocks)));
        }
        if header.map < 512 || !pages.holds(u64::from(header.map), needed * 4) {
            return Err(damaged("it is truncated: its map of blocks lies beyond its end"));
        }
        Ok(Self { header })
    }

    /// Returns the size of the disk, in bytes.
    pub(super) fn size(&self) -> u64 {
        self.header.size
    }
}

impl Map for Vdi {
    fn block_size(&self) -> u64 {
        self.header.block.into()
    }

    fn piece(&self, pages: &Pages, offset: u64) -> io::Result<(Piece, u64)> {
        let block = self.block_size();
        let within = offset % block;
        let left = block - within;
        let entry = pages.le32(u64::from(self.header.map) + offset / block * 4)?;
        if entry >= NO_BLOCK {
            return Ok((Piece::Zero, left));
        }
        let at = u64::from(self.header.data) + u64::from(entry) * block;
        if at >= pages.length() {
            return Err(rotten(format!("its block {entry} lies beyond its end: it is truncated or damaged")));
        }
        Ok((Piece::Plain(at + within), left))
    }
}
