#![no_main]

use goldsmith::image::read::{self, Options};
use goldsmith::image::{Format, accept, partitions};
use goldsmith_fuzz::{Memory, put};

/// Makes the checksums of a GPT right, header and entries, if they are where they usually are.
fn seal(content: &mut [u8]) {
    let sum = |bytes: &[u8]| crc::Crc::<u32>::new(&crc::CRC_32_ISO_HDLC).checksum(bytes);
    let number = |content: &[u8], at: usize| {
        content.get(at..at + 4).map_or(0, |bytes| u32::from_le_bytes(bytes.try_into().expect("four bytes")) as usize)
    };
    put(content, 510, &[0x55, 0xaa]);
    let length = number(content, 592).saturating_mul(number(content, 596));
    if let Some(entries) = content.get(1024..1024_usize.saturating_add(length)) {
        let sum = sum(entries);
        put(content, 600, &sum.to_le_bytes());
    }
    put(content, 528, &[0; 4]);
    if let Some(header) = content.get(512..512_usize.saturating_add(number(content, 524))) {
        let sum = sum(header);
        put(content, 528, &sum.to_le_bytes());
    }
}

libfuzzer_sys::fuzz_target!(|content: &[u8]| {
    let mut content = content.to_vec();
    seal(&mut content);
    // A raw disk has whole sectors.
    content.resize(content.len().next_multiple_of(512), 0);
    let file = Memory::new(&content);
    let _ = accept::accept(&file.path);
    let options = Options { format: Some(Format::Raw), ..Options::default() };
    if let Ok(opened) = read::open(&file.path, &options) {
        let table = partitions::read(opened.source.as_ref()).expect("a disk in memory");
        let _ = table.firmware();
        partitions::copy_faults(opened.source.as_ref()).expect("a disk in memory");
    }
});
