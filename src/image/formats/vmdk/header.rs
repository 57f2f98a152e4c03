//! The header of a sparse VMDK file.

use std::fs::File;
use std::io;

use super::descriptor::Descriptor;
use crate::image::read::fault::{Fault, bad, damaged};
use crate::image::read::fields::Fields;
use crate::image::read::size::bad_size;
use crate::text::printable;

/// The first bytes of the file.
pub(super) const MAGIC: &[u8] = b"KDMV";

pub(super) const SECTOR: u64 = 512;

/// The flag: an entry of 1 in a table of grains means zeros.
pub(super) const ZERO_GRAINS: u32 = 1 << 2;

/// The flag of compressed grains.
pub(super) const COMPRESSED: u32 = 1 << 16;

/// The flag of grains with markers.
pub(super) const MARKERS: u32 = 1 << 17;

/// The offset of the directory if the footer has the real one.
pub(super) const AT_END: u64 = u64::MAX;

/// Advice for a disk in several files.
pub(super) const JOIN: &str = "join its files with `qemu-img convert`, after a look at the names in its descriptor";

/// A header as read, valid or not. Offsets and sizes are in sectors.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Header {
    pub(super) version: u32,
    pub(super) flags: u32,
    pub(super) capacity: u64,
    pub(super) grain: u64,
    pub(super) descriptor_offset: u64,
    pub(super) descriptor_size: u64,
    pub(super) table_entries: u32,
    pub(super) directory: u64,
    pub(super) compression: u16,
    /// Whether the header is complete and its first bytes are right.
    pub(super) whole: bool,
}

impl Header {
    /// Reads a header at an offset of a file.
    pub(super) fn read(file: &File, offset: u64) -> io::Result<Self> {
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

    /// Returns whether the footer has the offset of the directory.
    pub(super) fn has_footer(&self) -> bool {
        self.directory == AT_END
    }

    /// Reads the footer: the sector before the last one.
    pub(super) fn read_footer(file: &File) -> io::Result<Self> {
        let length = file.metadata()?.len();
        Self::read(file, length.saturating_sub(2 * SECTOR))
    }

    /// Returns the descriptor in the file, if there is one.
    pub(super) fn descriptor(&self, file: &File) -> io::Result<Option<Descriptor>> {
        let (offset, length) =
            (self.descriptor_offset.saturating_mul(SECTOR), self.descriptor_size.saturating_mul(SECTOR));
        if offset == 0 || length == 0 {
            return Ok(None);
        }
        Descriptor::read(file, offset, length).map(Some)
    }

    /// Returns the size of the disk, in bytes.
    pub(super) fn size(&self) -> u64 {
        self.capacity.saturating_mul(SECTOR)
    }
}

pub(super) fn check(header: &Header) -> Result<(), Fault> {
    if !(1..=3).contains(&header.version) {
        return Err(bad(format!("VMDK version {} is not known", header.version)));
    }
    if let Some(reason) = bad_size(header.size()) {
        return Err(bad(reason));
    }
    // QEMU accepts grains of up to 1 GiB; all known writers make far smaller ones.
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

pub(super) fn check_descriptor(descriptor: &Descriptor) -> Result<(), Fault> {
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
