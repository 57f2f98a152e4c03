#![no_main]

use goldsmith::image::Format;

libfuzzer_sys::fuzz_target!(|content: &[u8]| {
    goldsmith_fuzz::read(content, Format::Vdi, |content| {
        goldsmith_fuzz::put(content, 0, b"<<<");
        goldsmith_fuzz::put(content, 64, &0xbeda_107f_u32.to_le_bytes());
        goldsmith_fuzz::put(content, 68, &0x1_0001_u32.to_le_bytes());
    });
});
