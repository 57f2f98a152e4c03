//! The layout of VHDX files (Microsoft, \[MS-VHDX\], "Virtual Hard Disk v2 File Format"). All numbers are little-endian.

use crate::image::write::blocks::{Layout, Map, Piece, Word};
use crate::image::write::{Disk, ident};

const KIB: u64 = 1 << 10;
const MIB: u64 = 1 << 20;

/// Bytes of a logical sector.
const SECTOR: u32 = 512;

/// Alignment of everything but the headers, in bytes (section 2.1).
const ALIGNMENT: u64 = MIB;

/// Smallest block, in bytes (section 2.6.2.1). Microsoft recommends it for ext4, which spreads little data over much disk ("Best
/// Practices for running Linux on Hyper-V").
const MIN_BLOCK: u64 = MIB;

/// Largest number of blocks before blocks become larger: readers hold the table of blocks in memory, here at most 16 MiB. So the
/// largest disk has blocks of 32 MiB, Hyper-V's default.
const MAX_BLOCKS: u64 = 2 << 20;

/// Place of the log, in bytes. It is empty and has the smallest length.
const LOG: u64 = MIB;
const LOG_LENGTH: u32 = MIB as u32;

/// Place of the metadata, in bytes.
const METADATA: u64 = 2 * MIB;
const METADATA_LENGTH: u32 = MIB as u32;

/// Offset of the block allocation table, in bytes.
const TABLE: u64 = 3 * MIB;

/// States of a block (section 2.5.1.1). A block in the state "not present" may read as anything.
const BLOCK_ZERO: u64 = 2;
const BLOCK_PRESENT: u64 = 6;

/// Identifiers of regions (section 2.2.3.2) and of metadata items (section 2.6.2).
const TABLE_REGION: &str = "2dc27766f62342009d64115e9bfd4a08";
const METADATA_REGION: &str = "8b7ca20647904b9ab8fe575f050f886e";
const FILE_PARAMETERS: &str = "caa16737fa364d43b3b633f0aa44e76b";
const DISK_SIZE: &str = "2fa54224cd1b4876b2115dbed83bf4b8";
const DISK_ID: &str = "beca12abb2e6452393efc309e000c746";
const LOGICAL_SECTOR: &str = "8141bf1da96f4709ba47f233a8faab5f";
const PHYSICAL_SECTOR: &str = "cda348c7445d44719cc9e9885251c556";

/// Returns the layout of a dynamic disk.
pub(super) fn dynamic(disk: &Disk<'_>) -> Layout {
    let block = (disk.size.div_ceil(MAX_BLOCKS)).next_power_of_two().max(MIN_BLOCK);
    let blocks = disk.size.div_ceil(block);
    // Section 2.5: an entry for a sector bitmap follows the blocks that it covers. Disks without a parent have no bitmaps.
    let ratio = (1 << 23) * u64::from(SECTOR) / block;
    let entries = blocks + (blocks - 1) / ratio;
    let table_length = (entries * 8).next_multiple_of(ALIGNMENT);
    let first = TABLE + table_length;
    // The offset in MiB is in the upper 44 bits, the state in the lowest three. So the entry is the sum of offset and state.
    let map = Map {
        word: Word::Le64,
        blocks,
        start: first | BLOCK_PRESENT,
        step: block,
        absent: BLOCK_ZERO,
        group: Some(ratio),
    };
    let mut head = vec![(0, Piece::Bytes(identifier()))];
    // The second is the current one.
    head.extend([1, 2].map(|number| (number * 64 * KIB, Piece::Bytes(header(disk, number)))));
    let regions = regions(u32::try_from(table_length).expect("limited by MAX_BLOCKS"));
    head.extend([3, 4].map(|number| (number * 64 * KIB, Piece::Bytes(regions.clone()))));
    head.extend([(METADATA, Piece::Bytes(metadata(disk, block))), (TABLE, Piece::Map(map))]);
    Layout { head, block, prefix: Vec::new(), first, tail: Vec::new() }
}

/// Returns the file type identifier (section 2.2.1).
fn identifier() -> Vec<u8> {
    let mut bytes = b"vhdxfile".to_vec();
    bytes.extend("goldsmith".encode_utf16().flat_map(u16::to_le_bytes));
    bytes.resize(520, 0);
    bytes
}

/// Returns a header (section 2.2.2).
fn header(disk: &Disk<'_>, sequence: u64) -> Vec<u8> {
    let mut bytes = b"head\0\0\0\0".to_vec();
    bytes.extend_from_slice(&sequence.to_le_bytes());
    for purpose in ["vhdx file", "vhdx data"] {
        bytes.extend_from_slice(&ident::mixed_endian(ident::uuid(disk.seed, purpose)));
    }
    bytes.extend_from_slice(&[0; 16]); // no log to replay
    bytes.extend_from_slice(&0u16.to_le_bytes()); // version of the log
    bytes.extend_from_slice(&1u16.to_le_bytes()); // version of the format
    bytes.extend_from_slice(&LOG_LENGTH.to_le_bytes());
    bytes.extend_from_slice(&LOG.to_le_bytes());
    bytes.resize(4096, 0);
    sealed(bytes)
}

/// Returns the region table (section 2.2.3).
fn regions(table_length: u32) -> Vec<u8> {
    let mut bytes = b"regi\0\0\0\0".to_vec();
    bytes.extend_from_slice(&2u32.to_le_bytes());
    bytes.extend_from_slice(&[0; 4]);
    for (region, offset, length) in [(TABLE_REGION, TABLE, table_length), (METADATA_REGION, METADATA, METADATA_LENGTH)]
    {
        bytes.extend_from_slice(&guid(region));
        bytes.extend_from_slice(&offset.to_le_bytes());
        bytes.extend_from_slice(&length.to_le_bytes());
        bytes.extend_from_slice(&1u32.to_le_bytes()); // required
    }
    bytes.resize(64 << 10, 0);
    sealed(bytes)
}

/// Returns the metadata region (section 2.6).
fn metadata(disk: &Disk<'_>, block: u64) -> Vec<u8> {
    /// Flags: a reader must understand the item; the item is about the disk, not the file.
    const REQUIRED: u32 = 4;
    const OF_DISK: u32 = 2;
    let parameters = block.to_le_bytes(); // block size in the lower half; no parent, blocks may be given up
    let id = ident::mixed_endian(ident::uuid(disk.seed, "vhdx disk"));
    let items: [(&str, u32, &[u8]); 5] = [
        (FILE_PARAMETERS, REQUIRED, &parameters),
        (DISK_SIZE, REQUIRED | OF_DISK, &disk.size.to_le_bytes()),
        (DISK_ID, REQUIRED | OF_DISK, &id),
        (LOGICAL_SECTOR, REQUIRED | OF_DISK, &SECTOR.to_le_bytes()),
        (PHYSICAL_SECTOR, REQUIRED | OF_DISK, &4096u32.to_le_bytes()),
    ];
    let mut bytes = b"metadata\0\0".to_vec();
    bytes.extend_from_slice(&(items.len() as u16).to_le_bytes());
    bytes.resize(32, 0);
    let mut values: Vec<u8> = Vec::new();
    for (item, flags, value) in items {
        bytes.extend_from_slice(&guid(item));
        // Values follow the table, which always has 64 KiB.
        bytes.extend_from_slice(&((64 << 10) + values.len() as u32).to_le_bytes());
        bytes.extend_from_slice(&(value.len() as u32).to_le_bytes());
        bytes.extend_from_slice(&flags.to_le_bytes());
        bytes.extend_from_slice(&[0; 4]);
        values.extend_from_slice(value);
    }
    bytes.resize(64 << 10, 0);
    bytes.extend_from_slice(&values);
    bytes
}

/// Parses an identifier from its hexadecimal digits.
fn guid(digits: &str) -> [u8; 16] {
    let mut bytes = [0; 16];
    hex::decode_to_slice(digits, &mut bytes).expect("32 digits");
    ident::mixed_endian(bytes)
}

/// Sets the CRC-32C of a header or region table, which follows its signature.
fn sealed(mut bytes: Vec<u8>) -> Vec<u8> {
    let sum = crc::Crc::<u32>::new(&crc::CRC_32_ISCSI).checksum(&bytes);
    bytes[4..8].copy_from_slice(&sum.to_le_bytes());
    bytes
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::image::Extents;
    use crate::image::write::Machine;

    #[test]
    fn blocks_grow_with_the_disk_so_that_their_table_does_not() {
        for (size, block) in [(512, MIB), (2 << 40, MIB), ((2 << 40) + 512, 2 * MIB), (64 << 40, 32 * MIB)] {
            let extents = Extents::new();
            let layout =
                dynamic(&Disk { size, extents: &extents, seed: &[0; 32], machine: Machine::default(), earlier: None });
            assert_eq!(layout.block, block);
            assert!(layout.first <= 20 * MIB, "{size}");
        }
    }

    #[test]
    fn checksums_are_castagnoli_s() {
        // RFC 3720, B.4: the sum of 32 zeros.
        assert_eq!(sealed(vec![0; 32])[4..8], [0xaa, 0x36, 0x91, 0x8a]);
    }
}
