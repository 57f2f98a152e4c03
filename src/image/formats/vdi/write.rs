//! The layout of VDI files of version 1.1 (VirtualBox, `VDICore.h`; QEMU, `block/vdi.c`). All numbers are little-endian.

use crate::image::write::blocks::{Layout, Map, Piece, Present, Word};
use crate::image::write::{Disk, ident};

const SECTOR: u64 = 512;

/// Bytes of a block; the only size that QEMU reads.
const BLOCK: u64 = 1 << 20;

/// The first bytes of the file, a text for people.
const TEXT: &str = "<<< Oracle VM VirtualBox Disk Image >>>\n";

/// Length of the header, counted from its length field: that of `VDIHEADER1PLUS`.
const HEADER: u32 = 400;

/// Offset of the block map, in bytes.
const MAP: u64 = 512;

/// Entry of a block that is not in the file.
const FREE: u64 = 0xffff_ffff;

/// Returns the layout of a dynamic disk.
pub(super) fn dynamic(disk: &Disk<'_>) -> Layout {
    let blocks = disk.size.div_ceil(BLOCK);
    let first = (MAP + blocks * 4).next_multiple_of(BLOCK);
    // Entries are numbers of blocks in the file, not positions.
    let map = Map { word: Word::Le32, blocks, start: 0, step: 1, absent: FREE, group: None };
    let allocated = Present::new(disk.extents, BLOCK).count();
    let head = vec![(0, Piece::Bytes(header(disk, first, blocks, allocated))), (MAP, Piece::Map(map))];
    Layout { head, block: BLOCK, prefix: Vec::new(), first, tail: Vec::new() }
}

/// Returns the headers `VDIPREHEADER` and `VDIHEADER1PLUS`.
fn header(disk: &Disk<'_>, first: u64, blocks: u64, allocated: u64) -> Vec<u8> {
    let mut bytes = Vec::with_capacity(512);
    let put = |bytes: &mut Vec<u8>, numbers: &[u64]| {
        for number in numbers {
            let number = u32::try_from(*number).expect("limited by the largest disk of the format");
            bytes.extend_from_slice(&number.to_le_bytes());
        }
    };
    bytes.extend_from_slice(TEXT.as_bytes());
    bytes.resize(64, 0);
    // Signature, version 1.1, length, type: dynamic, flags.
    put(&mut bytes, &[0xbeda_107f, 0x0001_0001, HEADER.into(), 1, 0]);
    bytes.resize(bytes.len() + 256, 0); // comment
    put(&mut bytes, &[MAP, first]);
    put(&mut bytes, &[0, 0, 0, SECTOR]); // a geometry that nobody uses any more
    put(&mut bytes, &[0]);
    bytes.extend_from_slice(&disk.size.to_le_bytes());
    put(&mut bytes, &[BLOCK, 0, blocks, allocated]);
    // Identifiers of the disk and of its content; zero for a parent.
    for purpose in ["vdi", "vdi content"] {
        bytes.extend_from_slice(&ident::mixed_endian(ident::uuid(disk.seed, purpose)));
    }
    bytes.resize(bytes.len() + 32, 0);
    put(&mut bytes, &[0, 0, 0, SECTOR]); // geometry for a BIOS: VirtualBox works it out where it is zero
    bytes.resize(512, 0);
    bytes
}
