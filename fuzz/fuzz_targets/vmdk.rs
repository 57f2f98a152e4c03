#![no_main]

use goldsmith::image::Format;

libfuzzer_sys::fuzz_target!(|content: &[u8]| {
    goldsmith_fuzz::read(content, Format::Vmdk, |content| goldsmith_fuzz::put(content, 0, b"KDMV"));
});
