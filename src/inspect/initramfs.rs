//! Lists the names of the files in an initial RAM disk.
//!
//! The kernel unpacks one archive after another, each compressed or not, with zeros between them: its documentation, "initramfs
//! buffer format" (driver-api/early-userspace/buffer-format). The first often has only microcode.

use std::collections::BTreeSet;
use std::io::{self, BufRead, BufReader, Read};

use liblzma::stream::Stream;

/// Largest number of bytes to unpack: several times the size of initial RAM disks with all firmware.
const UNPACKED_LIMIT: u64 = 1 << 30;

/// Largest number of names to keep.
const NAMES_LIMIT: usize = 200_000;

/// Largest size of all names together, in bytes: several times that of real initial RAM disks.
const NAMES_SIZE: usize = 32 << 20;

/// Longest name in Linux.
const NAME_LIMIT: u32 = 4096;

/// Memory for unpacking, in bytes: enough for the highest levels of xz and zstd that kernels support.
const MEMORY_LIMIT: u64 = 256 << 20;

/// Bytes of an archive member's header.
const HEADER: usize = 110;

/// The reason why an initial RAM disk cannot be read.
#[derive(Debug, thiserror::Error)]
pub enum Unreadable {
    /// It has a compression that is not supported.
    #[error("it is compressed with {0}, which is not supported")]
    Compression(&'static str),
    /// A kernel could not unpack it.
    #[error("it is damaged: {0}")]
    Damaged(io::Error),
}

/// Returns the paths of the files in an initial RAM disk, without a leading slash: `usr/lib/modules/...`.
///
/// # Errors
///
/// It is damaged, or has an unsupported compression.
pub fn names(bytes: &[u8]) -> Result<BTreeSet<String>, Unreadable> {
    names_within(bytes, UNPACKED_LIMIT)
}

fn names_within(bytes: &[u8], limit: u64) -> Result<BTreeSet<String>, Unreadable> {
    let (mut found, mut left, mut rest) = (BTreeSet::new(), limit, bytes);
    let mut room = NAMES_SIZE;
    loop {
        // Archives begin at multiples of four bytes.
        let zeros = rest.iter().take_while(|byte| **byte == 0).count();
        rest = &rest[zeros..];
        if rest.is_empty() {
            return Ok(found);
        }
        if rest.starts_with(b"07070") {
            archive(&mut rest, &mut found, &mut room).map_err(Unreadable::Damaged)?;
        } else {
            let mut unpacked = BufReader::new(decoder(&mut rest)?.take(left));
            archives(&mut unpacked, &mut found, &mut room).map_err(Unreadable::Damaged)?;
            left = unpacked.into_inner().limit();
            if left == 0 {
                return Err(Unreadable::Damaged(invalid("it unpacks to more than any initial RAM disk has")));
            }
        }
    }
}

/// Returns a reader of the next archive, which takes only the bytes of that archive.
fn decoder<'a, 'b>(rest: &'a mut &'b [u8]) -> Result<Box<dyn Read + 'a>, Unreadable>
where
    'b: 'a,
{
    let failed = |error: liblzma::stream::Error| Unreadable::Damaged(error.into());
    // Magic numbers as in lib/decompress.c of the kernel.
    Ok(match **rest {
        [0x1f, 0x8b, ..] => Box::new(flate2::bufread::GzDecoder::new(rest)),
        [0x28, 0xb5, 0x2f, 0xfd, ..] => {
            let mut decoder = zstd::Decoder::with_buffer(rest).map_err(Unreadable::Damaged)?;
            decoder.window_log_max(MEMORY_LIMIT.ilog2()).map_err(Unreadable::Damaged)?;
            Box::new(decoder.single_frame())
        }
        [0xfd, b'7', b'z', b'X', b'Z', ..] => {
            let stream = Stream::new_stream_decoder(MEMORY_LIMIT, 0).map_err(failed)?;
            Box::new(liblzma::bufread::XzDecoder::new_stream(rest, stream))
        }
        [0x5d, 0, 0, ..] => {
            let stream = Stream::new_lzma_decoder(MEMORY_LIMIT).map_err(failed)?;
            Box::new(liblzma::bufread::XzDecoder::new_stream(rest, stream))
        }
        [0x02, 0x21, 0x4c, 0x18, ..] => return Err(Unreadable::Compression("lz4")),
        [0x89, b'L', b'Z', b'O', ..] => return Err(Unreadable::Compression("lzo")),
        [b'B', b'Z', b'h', ..] => return Err(Unreadable::Compression("bzip2")),
        _ => return Err(Unreadable::Damaged(invalid("it is no archive that a kernel unpacks"))),
    })
}

/// Reads archives until the end of the compressed data.
fn archives(reader: &mut dyn BufRead, found: &mut BTreeSet<String>, room: &mut usize) -> io::Result<()> {
    loop {
        let zeros = reader.fill_buf()?.iter().take_while(|byte| **byte == 0).count();
        reader.consume(zeros);
        match reader.fill_buf()?.first() {
            None => return Ok(()),
            Some(0) => {}
            Some(_) => archive(reader, found, room)?,
        }
    }
}

/// Reads one archive in the format `newc` of cpio(5), with its last member.
fn archive(reader: &mut dyn BufRead, found: &mut BTreeSet<String>, room: &mut usize) -> io::Result<()> {
    loop {
        let mut header = [0; HEADER];
        reader.read_exact(&mut header)?;
        if !header.starts_with(b"070701") && !header.starts_with(b"070702") {
            return Err(invalid("a member of its archive has no header"));
        }
        // Thirteen numbers of eight digits: the seventh is the size of the content, the twelfth that of the name.
        let number = |index: usize| {
            let digits = std::str::from_utf8(&header[6 + 8 * index..14 + 8 * index]).unwrap_or_default();
            u32::from_str_radix(digits, 16).map_err(|_| invalid("a header of its archive has no numbers"))
        };
        let (size, length) = (number(6)?, number(11)?);
        if !(1..=NAME_LIMIT).contains(&length) {
            return Err(invalid("a name in its archive is too long"));
        }
        let mut name = vec![0; length as usize];
        reader.read_exact(&mut name)?;
        skip(reader, padding(HEADER as u64 + u64::from(length)))?;
        skip(reader, u64::from(size) + padding(u64::from(size)))?;
        let end = name.iter().position(|byte| *byte == 0).unwrap_or(name.len());
        let name = String::from_utf8_lossy(&name[..end]);
        if name == "TRAILER!!!" {
            return Ok(());
        }
        let name = name.trim_start_matches("./").trim_start_matches('/');
        if found.len() < NAMES_LIMIT && name.len() <= *room && !found.contains(name) {
            *room -= name.len();
            found.insert(name.to_owned());
        }
    }
}

/// Returns the number of bytes up to the next multiple of four.
fn padding(length: u64) -> u64 {
    length.next_multiple_of(4) - length
}

fn skip(reader: &mut dyn BufRead, bytes: u64) -> io::Result<()> {
    let skipped = io::copy(&mut reader.take(bytes), &mut io::sink())?;
    if skipped == bytes { Ok(()) } else { Err(io::ErrorKind::UnexpectedEof.into()) }
}

fn invalid(message: &str) -> io::Error {
    io::Error::new(io::ErrorKind::InvalidData, message)
}

#[cfg(test)]
pub(crate) mod tests {
    use super::*;
    use std::io::Write as _;

    /// Returns an archive of files with some content each, as `cpio --format=newc` writes it.
    pub(crate) fn cpio(names: &[&str]) -> Vec<u8> {
        let mut archive = Vec::new();
        for name in names.iter().copied().chain(["TRAILER!!!"]) {
            let size = if name == "TRAILER!!!" { 0 } else { 5 };
            let mut numbers = [0; 13];
            (numbers[6], numbers[11]) = (size, name.len() + 1);
            archive.extend(b"070701");
            archive.extend(numbers.iter().flat_map(|number| format!("{number:08x}").into_bytes()));
            archive.extend(name.as_bytes());
            archive.push(0);
            archive.resize(archive.len().next_multiple_of(4), 0);
            archive.extend(&b"12345"[..size]);
            archive.resize(archive.len().next_multiple_of(4), 0);
        }
        archive
    }

    fn packed(bytes: &[u8]) -> [Vec<u8>; 4] {
        let mut gzip = flate2::write::GzEncoder::new(Vec::new(), flate2::Compression::fast());
        gzip.write_all(bytes).expect("memory");
        let mut xz = liblzma::write::XzEncoder::new(Vec::new(), 1);
        xz.write_all(bytes).expect("memory");
        let options = liblzma::stream::LzmaOptions::new_preset(1).expect("a preset");
        let stream = Stream::new_lzma_encoder(&options).expect("an encoder");
        let mut lzma = liblzma::write::XzEncoder::new_stream(Vec::new(), stream);
        lzma.write_all(bytes).expect("memory");
        let zstd = zstd::encode_all(bytes, 1).expect("memory");
        [gzip.finish().expect("memory"), xz.finish().expect("memory"), lzma.finish().expect("memory"), zstd]
    }

    fn listed(bytes: &[u8]) -> Vec<String> {
        names(bytes).expect("it is understood").into_iter().collect()
    }

    #[test]
    fn archives_follow_each_other_in_every_compression() {
        let mut early = cpio(&["kernel/x86/microcode/GenuineIntel.bin"]);
        early.resize(early.len() + 512, 0);
        let main = cpio(&["./init", "usr/lib/modules/6.1/a.ko"]);
        let plain = [early.clone(), main.clone()].concat();
        let expected = ["init", "kernel/x86/microcode/GenuineIntel.bin", "usr/lib/modules/6.1/a.ko"];
        assert_eq!(listed(&plain), expected);
        for packed in packed(&main) {
            // A further archive is found too, after the zeros that pad the first one.
            let whole = [early.clone(), packed, vec![0; 4], cpio(&["last"])].concat();
            assert_eq!(listed(&whole), [&expected[..2], &["last"], &expected[2..]].concat());
        }
        assert_eq!(listed(&[]), [""; 0]);
        assert_eq!(listed(&[0; 512]), [""; 0]);
    }

    #[test]
    fn what_is_damaged_is_told() {
        let whole = cpio(&["init", "etc/passwd"]);
        for end in 1..whole.len() - 4 {
            assert!(names(&whole[..end]).is_err(), "{end} of {} bytes", whole.len());
        }
        for packed in packed(&whole) {
            for end in [8, packed.len() / 2, packed.len() - 13] {
                assert!(names(&packed[..end]).is_err(), "{end} of {} bytes", packed.len());
            }
        }
        for noise in [&b"MZ\x90"[..], b"070701zzzz", &[0x28, 0xb5, 0x2f, 0xfd, 0xff], &[0x1f, 0x8b]] {
            assert!(matches!(names(noise), Err(Unreadable::Damaged(_))), "{noise:?}");
        }
        let error = names(&[2, 0x21, 0x4c, 0x18, 0]).expect_err("it is not known");
        assert_eq!(error.to_string(), "it is compressed with lz4, which is not supported");
    }

    /// Any changed byte leads to a result.
    #[test]
    fn noise_is_no_trouble() {
        let whole = cpio(&["init", "usr/lib/modules/6.1/a.ko"]);
        for mut bytes in packed(&whole).into_iter().chain([whole]) {
            for at in 0..bytes.len() {
                let before = bytes[at];
                for noise in [0, b'7', b'f', 0x80, 0xff, before ^ 1] {
                    bytes[at] = noise;
                    assert!(names(&bytes).map_or(0, |names| names.len()) <= 3, "{noise} at {at}");
                }
                bytes[at] = before;
            }
        }
    }

    /// A few kilobytes may unpack to a gigabyte of names.
    #[test]
    fn names_take_no_more_memory_than_those_of_real_archives() {
        let names: Vec<_> = (0..9_000).map(|n| format!("{n:04000}")).collect();
        let found = listed(&cpio(&names.iter().map(String::as_str).collect::<Vec<_>>()));
        let size = found.iter().map(String::len).sum::<usize>();
        assert!((NAMES_SIZE - 4000..=NAMES_SIZE).contains(&size), "{size}");
    }

    #[test]
    fn a_small_file_that_unpacks_to_very_much_is_refused() {
        let archive = [cpio(&["init"]), vec![0; 2 << 20]].concat();
        for bomb in packed(&archive) {
            assert_eq!(names_within(&bomb, 4 << 20).expect("it is not much").len(), 1);
            let error = names_within(&bomb, 1 << 20).expect_err("it is too much");
            assert!(error.to_string().contains("more than any"), "{error}");
        }
    }
}
