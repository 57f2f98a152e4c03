#![no_main]

libfuzzer_sys::fuzz_target!(|content: &[u8]| goldsmith_fuzz::hostile::root_tree(content));
