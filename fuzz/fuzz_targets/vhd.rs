#![no_main]

use goldsmith::image::Format;
use goldsmith_fuzz::put;

/// Makes the checksum over a part right: the complement of the sum of its other bytes.
fn seal(content: &mut [u8], at: usize, length: usize, field: usize) {
    put(content, at + field, &[0; 4]);
    if let Some(part) = content.get(at..at.saturating_add(length)) {
        let sum = part.iter().fold(0_u32, |sum, byte| sum.wrapping_add(u32::from(*byte)));
        put(content, at + field, &(!sum).to_be_bytes());
    }
}

libfuzzer_sys::fuzz_target!(|content: &[u8]| {
    goldsmith_fuzz::read(content, Format::Vhd, |content| {
        let Some(footer) = content.len().checked_sub(512) else { return };
        put(content, 0, b"conectix");
        put(content, footer, b"conectix");
        seal(content, footer, 512, 64);
        // The dynamic header is where QEMU has it.
        put(content, 512, b"cxsparse");
        seal(content, 512, 1024, 36);
    });
});
