//! The layout of VHD files (Microsoft, "Virtual Hard Disk Image Format Specification", version 1.0). All numbers are big-endian.

use crate::image::write::blocks::{Layout, Map, Piece, Word};
use crate::image::write::{Disk, ident};

const SECTOR: u64 = 512;

/// Bytes of a block; the specification's default, which Azure and XenServer expect.
const BLOCK: u64 = 2 << 20;

/// Length of the dynamic disk header, which follows the copy of the footer.
const HEADER: usize = 1024;

/// Sizes of fixed disks are a multiple of this, as Azure requires (Microsoft, "Prepare a Windows VHD or VHDX to upload to Azure",
/// which applies to Linux as well).
const FIXED_GRANULARITY: u64 = 1 << 20;

/// The field for no offset.
const NONE: u64 = u64::MAX;

/// Kind of disk in the footer.
#[derive(Clone, Copy)]
enum Kind {
    Fixed = 2,
    Dynamic = 3,
}

/// Returns the size of a disk in a fixed VHD.
pub(super) fn fixed_size(size: u64) -> u64 {
    size.next_multiple_of(FIXED_GRANULARITY)
}

/// Returns the footer of a fixed disk whose size [`fixed_size`] gave.
pub(super) fn fixed_footer(disk: &Disk<'_>, size: u64) -> Vec<u8> {
    footer(Kind::Fixed, size, NONE, disk.seed)
}

/// Returns the layout of a dynamic disk: only blocks with data are in the file, each after a bitmap of its sectors.
pub(super) fn dynamic(disk: &Disk<'_>) -> Layout {
    let footer = footer(Kind::Dynamic, disk.size, SECTOR, disk.seed);
    let table = SECTOR + HEADER as u64;
    let blocks = disk.size.div_ceil(BLOCK);
    let first = (table + blocks * 4).next_multiple_of(SECTOR);
    // The bits say that all sectors are present; zeros in a block are written.
    let prefix = vec![0xff; (BLOCK / SECTOR / 8) as usize];
    let mut head = footer.clone();
    head.extend_from_slice(&dynamic_header(table, blocks));
    let stride = prefix.len() as u64 + BLOCK;
    let absent = u64::from(u32::MAX);
    let map = Map { word: Word::Be32, blocks, start: first / SECTOR, step: stride / SECTOR, absent, group: None };
    // The rest of the table's last sector must read as absent too.
    let padding = vec![0xff; (first - table - blocks * 4) as usize];
    let head = vec![(0, Piece::Bytes(head)), (table, Piece::Map(map)), (table + blocks * 4, Piece::Bytes(padding))];
    Layout { head, block: BLOCK, prefix, first, tail: footer }
}

/// Returns a footer ("Hard Disk Footer Format").
fn footer(kind: Kind, size: u64, data_offset: u64, seed: &[u8; 32]) -> Vec<u8> {
    let (cylinders, heads, sectors) = geometry(size / SECTOR);
    let mut bytes = Vec::with_capacity(512);
    bytes.extend_from_slice(b"conectix");
    bytes.extend_from_slice(&2u32.to_be_bytes()); // features: the bit that is always set
    bytes.extend_from_slice(&0x0001_0000u32.to_be_bytes()); // version of the format
    bytes.extend_from_slice(&data_offset.to_be_bytes());
    bytes.extend_from_slice(&0u32.to_be_bytes()); // time stamp: 2000-01-01, so that files are reproducible
    // QEMU uses the geometry instead of the size, except for some creators; Hyper-V's name is one of them (block/vpc.c,
    // vpc_open). All other programs use the size.
    bytes.extend_from_slice(b"win ");
    bytes.extend_from_slice(&0x000a_0000u32.to_be_bytes());
    bytes.extend_from_slice(b"Wi2k");
    bytes.extend_from_slice(&size.to_be_bytes()); // original size
    bytes.extend_from_slice(&size.to_be_bytes()); // current size
    bytes.extend_from_slice(&cylinders.to_be_bytes());
    bytes.extend_from_slice(&[heads, sectors]);
    bytes.extend_from_slice(&(kind as u32).to_be_bytes());
    bytes.extend_from_slice(&[0; 4]); // checksum
    bytes.extend_from_slice(&ident::uuid(seed, "vhd"));
    bytes.resize(512, 0);
    let sum = checksum(&bytes);
    bytes[64..68].copy_from_slice(&sum.to_be_bytes());
    bytes
}

/// Returns the header of a dynamic disk ("Dynamic Disk Header Format").
fn dynamic_header(table: u64, blocks: u64) -> Vec<u8> {
    let blocks = u32::try_from(blocks).expect("the largest disk of the format has 2^20 blocks");
    let mut bytes = Vec::with_capacity(HEADER);
    bytes.extend_from_slice(b"cxsparse");
    bytes.extend_from_slice(&NONE.to_be_bytes());
    bytes.extend_from_slice(&table.to_be_bytes());
    bytes.extend_from_slice(&0x0001_0000u32.to_be_bytes()); // version of the header
    bytes.extend_from_slice(&blocks.to_be_bytes());
    bytes.extend_from_slice(&(BLOCK as u32).to_be_bytes());
    bytes.resize(HEADER, 0);
    let sum = checksum(&bytes);
    bytes[36..40].copy_from_slice(&sum.to_be_bytes());
    bytes
}

/// Returns the one's complement of the sum of all bytes; the checksum field must be zero.
fn checksum(bytes: &[u8]) -> u32 {
    !bytes.iter().map(|byte| u32::from(*byte)).sum::<u32>()
}

/// Returns the cylinders, heads and sectors of a disk of `sectors` sectors ("Appendix: CHS Calculation").
fn geometry(sectors: u64) -> (u16, u8, u8) {
    let total = sectors.min(65535 * 16 * 255);
    let (mut per_track, mut heads) = (255, 16);
    if total < 65535 * 16 * 63 {
        (per_track, heads) = (17, (total / 17).div_ceil(1024).max(4));
        if total / per_track >= heads * 1024 || heads > 16 {
            (per_track, heads) = (31, 16);
        }
        if total / per_track >= heads * 1024 {
            (per_track, heads) = (63, 16);
        }
    }
    ((total / per_track / heads) as u16, heads as u8, per_track as u8)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn geometry_is_that_of_the_specification() {
        // Computed by hand.
        for (size, expected) in [
            (68 << 10, (2, 4, 17)),
            (20 << 20, (602, 4, 17)),
            (600 << 20, (1219, 16, 63)),
            (3 << 30, (6241, 16, 63)),
            (127 << 30, (65278, 16, 255)),
            (2040 << 30, (65535, 16, 255)),
        ] {
            assert_eq!(geometry(size / SECTOR), expected, "{size}");
        }
    }

    #[test]
    fn fixed_disks_are_rounded_up() {
        assert_eq!((fixed_size(0), fixed_size(512), fixed_size(1 << 20)), (0, 1 << 20, 1 << 20));
    }
}
