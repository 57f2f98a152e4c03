//! The layout of VMDK files in one piece (VMware, "Virtual Disk Format 5.0": "Hosted Sparse Extents"). All numbers are
//! little-endian.

use std::io;

use super::options::VmdkOptions;
use crate::image::options::Subformat;
use crate::image::write::blocks::{Layout, Map, Piece, Present, Word};
use crate::image::write::{Disk, ident};

pub(super) const SECTOR: u64 = 512;

/// Bytes of a grain, the unit of allocation; the specification's default.
pub(super) const GRAIN: u64 = 64 << 10;

/// Entries of a grain table; the only number that VMware allows.
pub(super) const TABLE_ENTRIES: u64 = 512;

/// Sectors of a grain table.
pub(super) const TABLE_SECTORS: u64 = TABLE_ENTRIES * 4 / SECTOR;

/// First sector and length of the descriptor, in sectors. QEMU and VMware use these values, and OpenStack looks nowhere else.
pub(super) const DESCRIPTOR: u64 = 1;
const DESCRIPTOR_SECTORS: u64 = 20;

/// Header of a file: the values that differ between kinds.
pub(super) struct Header {
    pub(super) kind: Subformat,
    /// Sectors of the disk.
    pub(super) capacity: u64,
    /// First sector of the redundant grain directory; 0 if there is none.
    pub(super) redundant: u64,
    /// First sector of the grain directory.
    pub(super) directory: u64,
    /// Sectors before the first grain.
    pub(super) overhead: u64,
}

impl Header {
    /// Returns the bytes of `SparseExtentHeader`.
    pub(super) fn bytes(&self) -> Vec<u8> {
        let stream = self.kind == Subformat::StreamOptimized;
        // Flags: line ends can be checked; a redundant directory, or compressed grains with markers.
        let (version, flags, algorithm): (u32, u32, u16) = if stream { (3, 0x3_0001, 1) } else { (1, 0x3, 0) };
        let mut bytes = Vec::with_capacity(512);
        bytes.extend_from_slice(b"KDMV");
        bytes.extend_from_slice(&version.to_le_bytes());
        bytes.extend_from_slice(&flags.to_le_bytes());
        for number in [self.capacity, GRAIN / SECTOR, DESCRIPTOR, DESCRIPTOR_SECTORS] {
            bytes.extend_from_slice(&number.to_le_bytes());
        }
        bytes.extend_from_slice(&(TABLE_ENTRIES as u32).to_le_bytes());
        for number in [self.redundant, self.directory, self.overhead] {
            bytes.extend_from_slice(&number.to_le_bytes());
        }
        bytes.push(0); // shut down in order
        bytes.extend_from_slice(b"\n \r\n");
        bytes.extend_from_slice(&algorithm.to_le_bytes());
        bytes.resize(512, 0);
        bytes
    }
}

/// Returns the layout of a disk of uncompressed grains, ready for use: VMware's `monolithicSparse`.
///
/// All grain tables exist from the beginning, twice, as VMware and QEMU make them.
///
/// # Errors
///
/// `FileTooLarge` if a table cannot hold the position of a grain, which takes almost 2 TiB of data.
pub(super) fn sparse(disk: &Disk<'_>, options: &VmdkOptions) -> io::Result<Layout> {
    let grains = disk.size.div_ceil(GRAIN);
    let tables = grains.div_ceil(TABLE_ENTRIES);
    let directory_sectors = (tables * 4).div_ceil(SECTOR);
    let redundant = DESCRIPTOR + DESCRIPTOR_SECTORS;
    let directory = redundant + directory_sectors + tables * TABLE_SECTORS;
    let end = directory + directory_sectors + tables * TABLE_SECTORS;
    let overhead = end.next_multiple_of(GRAIN / SECTOR);

    if overhead + Present::new(disk.extents, GRAIN).count() * (GRAIN / SECTOR) > u64::from(u32::MAX) {
        let message = "the data of the disk and the tables exceed the 2 TiB that a VMDK file can have";
        return Err(io::Error::new(io::ErrorKind::FileTooLarge, message));
    }

    let capacity = disk.size / SECTOR;
    let header = Header { kind: Subformat::MonolithicSparse, capacity, redundant, directory, overhead };
    let mut head = vec![
        (0, Piece::Bytes(header.bytes())),
        (DESCRIPTOR * SECTOR, Piece::Bytes(descriptor(disk, options, Subformat::MonolithicSparse).into_bytes())),
    ];
    for directory in [redundant, directory] {
        let first = directory + directory_sectors;
        let entries = (0..tables).flat_map(|table| ((first + table * TABLE_SECTORS) as u32).to_le_bytes()).collect();
        let map =
            Map { word: Word::Le32, blocks: grains, start: overhead, step: GRAIN / SECTOR, absent: 0, group: None };
        head.extend([(directory * SECTOR, Piece::Bytes(entries)), (first * SECTOR, Piece::Map(map))]);
    }
    Ok(Layout { head, block: GRAIN, prefix: Vec::new(), first: overhead * SECTOR, tail: Vec::new() })
}

/// Returns the descriptor. Its length is less than [`DESCRIPTOR_SECTORS`] for any disk.
pub(super) fn descriptor(disk: &Disk<'_>, options: &VmdkOptions, kind: Subformat) -> String {
    // Files for transport are read-only. Readers ignore the name of the file in the descriptor. But for uncompressed files it
    // must be right for older products of VMware.
    let (kind, access) = match kind {
        Subformat::StreamOptimized => ("streamOptimized", "RDONLY"),
        _ => ("monolithicSparse", "RW"),
    };
    let sectors = disk.size / SECTOR;
    let (cylinders, heads, per_track) = geometry(sectors, options.adapter.ddb_name());
    let content = ident::uuid(disk.seed, "vmdk content");
    // ffffffff and fffffffe have special meanings.
    let id = u32::from_be_bytes([content[12], content[13], content[14], content[15]]) & 0x7fff_ffff;
    let long_id = format!("{}{id:08x}", hex::encode(&content[..12]));
    let name = file_name(disk.machine.name);
    let (adapter, tools) = (options.adapter.ddb_name(), options.tools_version);
    format!(
        "# Disk DescriptorFile\n\
         version=1\n\
         CID={id:08x}\n\
         parentCID=ffffffff\n\
         createType=\"{kind}\"\n\
         \n\
         # Extent description\n\
         {access} {sectors} SPARSE \"{name}.vmdk\"\n\
         \n\
         # The Disk Data Base\n\
         #DDB\n\
         \n\
         ddb.virtualHWVersion = \"4\"\n\
         ddb.geometry.cylinders = \"{cylinders}\"\n\
         ddb.geometry.heads = \"{heads}\"\n\
         ddb.geometry.sectors = \"{per_track}\"\n\
         ddb.adapterType = \"{adapter}\"\n\
         ddb.toolsVersion = \"{tools}\"\n\
         ddb.longContentID = \"{long_id}\"\n"
    )
}

/// Returns the name of an image, without extension, in a form that descriptors and OVF files allow.
pub(in crate::image::formats) fn file_name(name: &str) -> String {
    let allowed = |c: char| if c.is_ascii_alphanumeric() || "._-+".contains(c) { c } else { '_' };
    name.chars().take(200).map(allowed).collect()
}

/// Returns the cylinders, heads and sectors that VMware's and QEMU's tools give a disk.
fn geometry(sectors: u64, adapter: &str) -> (u64, u64, u64) {
    if adapter == "ide" {
        // ATA allows no more cylinders.
        return ((sectors / (16 * 63)).min(16383), 16, 63);
    }
    (sectors / (255 * 63), 255, 63)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::image::write::Machine;
    use crate::image::{Adapter, Extents};

    #[test]
    fn the_descriptor_says_what_was_asked_and_fits() {
        let (extents, name) = (Extents::new(), format!("a b/\"{}", "x".repeat(300)));
        let machine = Machine { name: &name, ..Machine::default() };
        let disk = Disk { size: 3 << 30, extents: &extents, seed: &[7; 32], machine, earlier: None };
        let options = VmdkOptions { adapter: Adapter::Ide, tools_version: 12345 };
        let text = descriptor(&disk, &options, Subformat::MonolithicSparse);
        assert!(text.len() < (DESCRIPTOR_SECTORS * SECTOR) as usize);
        for line in [
            "createType=\"monolithicSparse\"".to_owned(),
            format!("RW 6291456 SPARSE \"a_b__{}.vmdk\"", "x".repeat(195)),
            "ddb.adapterType = \"ide\"".to_owned(),
            "ddb.toolsVersion = \"12345\"".to_owned(),
            "ddb.geometry.cylinders = \"6241\"".to_owned(),
        ] {
            assert!(text.lines().any(|other| other == line), "{line} in {text}");
        }
        let stream = descriptor(&disk, &options, Subformat::StreamOptimized);
        assert!(stream.contains("createType=\"streamOptimized\"\n\n# Extent description\nRDONLY 6291456 SPARSE"));
    }
}
