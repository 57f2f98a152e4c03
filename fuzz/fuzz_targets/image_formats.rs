//! Reads disks from files of every format that Goldsmith reads. The input is a line with the name of the format, then the file.
//!
//! Inputs without checksums or signatures that fit are refused at once, so this target makes them fit where a format has any.

#![no_main]

use goldsmith::image::Format;
use goldsmith_fuzz::put;

libfuzzer_sys::fuzz_target!(|content: &[u8]| {
    let Some(end) = content.iter().position(|byte| *byte == b'\n') else { return };
    let name = std::str::from_utf8(&content[..end]).unwrap_or_default();
    let Some(format) = Format::of_name(name).filter(|format| format.is_readable()) else { return };
    goldsmith_fuzz::read(&content[end + 1..], format, |content| match format {
        Format::Qcow2 => put(content, 0, b"QFI\xfb"),
        Format::Vmdk => put(content, 0, b"KDMV"),
        Format::Vhd => seal_vhd(content),
        Format::Vhdx => *content = vhdx(content),
        Format::Vdi => {
            put(content, 0, b"<<<");
            put(content, 64, &0xbeda_107f_u32.to_le_bytes());
            put(content, 68, &0x1_0001_u32.to_le_bytes());
        }
        _ => {}
    });
});

/// Makes signatures and checksums of a VHD right. The dynamic header is where QEMU has it.
fn seal_vhd(content: &mut [u8]) {
    let Some(footer) = content.len().checked_sub(512) else { return };
    put(content, 0, b"conectix");
    put(content, footer, b"conectix");
    sum_vhd(content, footer, 512, 64);
    put(content, 512, b"cxsparse");
    sum_vhd(content, 512, 1024, 36);
}

/// Makes the checksum over a part of a VHD right: the complement of the sum of its other bytes.
fn sum_vhd(content: &mut [u8], at: usize, length: usize, field: usize) {
    put(content, at + field, &[0; 4]);
    if let Some(part) = content.get(at..at.saturating_add(length)) {
        let sum = part.iter().fold(0_u32, |sum, byte| sum.wrapping_add(u32::from(*byte)));
        put(content, at + field, &(!sum).to_be_bytes());
    }
}

/// The parts of a VHDX that mean something, which an input has one after another: the place of each in the file, and its length.
const VHDX_PARTS: [(usize, usize); 6] =
    [(64 << 10, 128), (192 << 10, 512), (1 << 20, 0), (2 << 20, 256), ((2 << 20) + (64 << 10), 128), (3 << 20, 4096)];

/// Makes a VHDX of its parts, with signatures and checksums.
fn vhdx(parts: &[u8]) -> Vec<u8> {
    let mut file = vec![0; 5 << 20];
    let mut rest = parts;
    for (at, length) in VHDX_PARTS {
        let (part, more) = rest.split_at(length.min(rest.len()));
        put(&mut file, at, part);
        rest = more;
    }
    put(&mut file, 0, b"vhdxfile");
    for (at, magic, length) in [(64 << 10, b"head", 4096), (192 << 10, b"regi", 65536)] {
        put(&mut file, at, magic);
        put(&mut file, at + 4, &[0; 4]);
        let sum = crc::Crc::<u32>::new(&crc::CRC_32_ISCSI).checksum(&file[at..at + length]);
        put(&mut file, at + 4, &sum.to_le_bytes());
    }
    file
}
