#![no_main]

use goldsmith::image::Format;
use goldsmith_fuzz::put;

/// What a file is shrunk to for fuzzing: the bytes of it that mean something, one after another. Each part is its place in the
/// file and its length.
const PARTS: [(usize, usize); 6] =
    [(64 << 10, 128), (192 << 10, 512), (1 << 20, 0), (2 << 20, 256), ((2 << 20) + (64 << 10), 128), (3 << 20, 4096)];

libfuzzer_sys::fuzz_target!(|content: &[u8]| {
    goldsmith_fuzz::read(content, Format::Vhdx, |content| {
        let mut file = vec![0; 5 << 20];
        let mut rest = &content[..];
        for (at, length) in PARTS {
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
        *content = file;
    });
});
