#![no_main]

use std::path::Path;

use goldsmith::image::accept;
use goldsmith::image::probe::probe;
use goldsmith::image::read::{Options, open_packed};
use goldsmith::image::unpack::Unpack;
use goldsmith::interrupt::Interrupt;
use goldsmith_fuzz::Memory;

libfuzzer_sys::fuzz_target!(|content: &[u8]| {
    let file = Memory::new(content);
    let _ = probe(&file.path);
    let _ = accept::accept(&file.path);
    let unpack = Unpack { directory: Path::new("/dev/shm"), max_size: None, interrupt: &Interrupt::new() };
    if let Ok(opened) = open_packed(&file.path, &Options::default(), &unpack, &mut |_, _| {}) {
        goldsmith_fuzz::walk(opened.source.as_ref());
    }
});
