//! Unpacks image files that are compressed as a whole, into a sparse temporary file.
//!
//! A compressed file can only be read from beginning to end. A small file can hold a disk that fits on no host. So zeros become
//! holes, and the data may neither exceed the usual ratio by far, nor use up the file system.

use std::fs::File;
use std::io::{self, BufReader, Read};
use std::os::unix::fs::FileExt as _;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use liblzma::bufread::XzDecoder;
use liblzma::stream::Stream;

use super::read::size::MAX_SIZE;
use super::{Codec, is_zero};
use crate::fsx;
use crate::interrupt::Interrupt;
use crate::units::ByteSize;

/// Smallest range of zeros that becomes a hole, in bytes.
const HOLE: usize = 4096;

/// Bytes unpacked at a time.
const STEP: usize = 1 << 20;

/// Largest number of bytes of data for each byte of the compressed file. Systems shrink to a half or a third, repetitive text to
/// a fiftieth.
const RATIO: u64 = 250;

/// Limits on unpacked bytes, with zeros: for each byte of the compressed file; for even the smallest file; for any file, unless
/// the user allows more. Zeros take no space, but time: a kibibyte may hold years of them.
const ZEROS: (u64, u64, u64) = (1000, 4 << 30, 64 << 30);

/// Bytes of data that even the smallest file may have.
const ALWAYS: u64 = 64 << 20;

/// Bytes of data between two checks of free space.
const LOOK: u64 = 16 << 20;

/// Memory for unpacking xz, in bytes: enough for `xz -9`.
const XZ_MEMORY: u64 = 256 << 20;

/// The options of unpacking.
#[derive(Debug, Clone, Copy)]
pub struct Unpack<'a> {
    /// The directory of the temporary file, which has no name there and disappears when it is closed.
    pub directory: &'a Path,
    /// Limit on unpacked bytes, with zeros. Default: 1000 times the length of the file, but at least 4 GiB and at most 64 GiB.
    pub max_size: Option<u64>,
    /// The user's request to stop.
    pub interrupt: &'a Interrupt,
}

/// The reason why a file cannot be unpacked.
#[derive(Debug, thiserror::Error)]
pub enum UnpackError {
    /// The compressed file cannot be read, or is damaged.
    #[error(transparent)]
    Read(io::Error),
    /// The temporary file cannot be written.
    #[error("cannot write a temporary file to {}", directory.display())]
    Write {
        /// The directory.
        directory: PathBuf,
        /// The error.
        #[source]
        source: io::Error,
    },
    /// The file system has too little free space.
    #[error("no space left on this machine: {} is full after {unpacked} of unpacked data", directory.display())]
    NoSpace {
        /// The directory of the temporary file.
        directory: PathBuf,
        /// Data unpacked until then.
        unpacked: ByteSize,
    },
    /// The data is too much for the length of the compressed file.
    #[error("it holds more than {unpacked} in {packed}: it is no image of a system, and may be made to fill disks")]
    Bomb {
        /// Length of the compressed file.
        packed: ByteSize,
        /// Data unpacked until then.
        unpacked: ByteSize,
    },
    /// The unpacked file exceeds the limit of its size.
    #[error("it holds more than {most} in {packed}")]
    TooLarge {
        /// Length of the compressed file.
        packed: ByteSize,
        /// The limit.
        most: ByteSize,
    },
    /// The user asked to stop.
    #[error("interrupted")]
    Interrupted,
}

/// Unpacks a file. `progress` receives the bytes of it that were read so far.
pub fn unpack(
    file: File,
    codec: Codec,
    unpack: &Unpack<'_>,
    progress: &mut dyn FnMut(u64),
) -> Result<File, UnpackError> {
    let directory = unpack.directory;
    let failed = |source| UnpackError::Write { directory: directory.to_owned(), source };
    let packed = file.metadata().map_err(UnpackError::Read)?.len();
    let target = tempfile::tempfile_in(directory).map_err(failed)?;
    let read = Arc::new(AtomicU64::new(0));
    let mut reader = decoder(Counted { file, read: Arc::clone(&read) }, codec).map_err(UnpackError::Read)?;
    let most = packed.saturating_mul(RATIO).saturating_add(ALWAYS);
    let bound = unpack.max_size.unwrap_or_else(|| packed.saturating_mul(ZEROS.0).clamp(ZEROS.1, ZEROS.2)).min(MAX_SIZE);
    let (mut buffer, mut position, mut data, mut looked) = (vec![0; STEP], 0_u64, 0_u64, 0_u64);
    loop {
        if unpack.interrupt.is_raised() {
            return Err(UnpackError::Interrupted);
        }
        let length = fill(reader.as_mut(), &mut buffer).map_err(UnpackError::Read)?;
        if length == 0 {
            break;
        }
        for piece in buffer[..length].chunks(HOLE) {
            if !is_zero(piece) {
                data += piece.len() as u64;
                if data >= looked {
                    looked = data + LOOK;
                    let room = fsx::room(directory).map_err(|error| failed(error.source))?;
                    if room < LOOK {
                        let unpacked = ByteSize::bytes(data);
                        return Err(UnpackError::NoSpace { directory: directory.to_owned(), unpacked });
                    }
                }
                target.write_all_at(piece, position).map_err(failed)?;
            }
            position += piece.len() as u64;
        }
        if data > most {
            return Err(UnpackError::Bomb { packed: ByteSize::bytes(packed), unpacked: ByteSize::bytes(data) });
        }
        if position > bound {
            return Err(UnpackError::TooLarge { packed: ByteSize::bytes(packed), most: ByteSize::bytes(bound) });
        }
        progress(read.load(Ordering::Relaxed));
    }
    target.set_len(position).map_err(failed)?;
    Ok(target)
}

/// A file that counts the bytes read.
struct Counted {
    file: File,
    read: Arc<AtomicU64>,
}

impl Read for Counted {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        let count = self.file.read(buffer)?;
        self.read.fetch_add(count as u64, Ordering::Relaxed);
        Ok(count)
    }
}

/// Returns a reader that unpacks all members, frames or streams of a file. Memory is bounded: 256 MiB for xz, and 128 MiB for
/// Zstandard. So the library refuses Zstandard files made with `--long=28` and more.
pub(crate) fn decoder(file: impl Read + 'static, codec: Codec) -> io::Result<Box<dyn Read>> {
    let reader = BufReader::with_capacity(256 << 10, file);
    Ok(match codec {
        Codec::Gzip => Box::new(flate2::bufread::MultiGzDecoder::new(reader)),
        Codec::Zstd => Box::new(zstd::stream::read::Decoder::with_buffer(reader)?),
        Codec::Xz => {
            let stream = Stream::new_stream_decoder(XZ_MEMORY, liblzma::stream::CONCATENATED)?;
            Box::new(XzDecoder::new_stream(reader, stream))
        }
    })
}

/// Fills a buffer, except at the end of the input.
fn fill(reader: &mut dyn Read, buffer: &mut [u8]) -> io::Result<usize> {
    let mut filled = 0;
    while filled < buffer.len() {
        match reader.read(&mut buffer[filled..]) {
            Ok(0) => break,
            Ok(count) => filled += count,
            Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
            Err(error) => return Err(error),
        }
    }
    Ok(filled)
}

#[cfg(test)]
mod tests {
    use std::io::Write as _;
    use std::os::unix::fs::MetadataExt as _;

    use super::*;

    fn gzip(parts: &[(u8, u64)]) -> Vec<u8> {
        let mut encoder = flate2::write::GzEncoder::new(Vec::new(), flate2::Compression::fast());
        for (byte, length) in parts {
            io::copy(&mut io::repeat(*byte).take(*length), &mut encoder).expect("memory");
        }
        encoder.finish().expect("memory")
    }

    fn unpacked(bytes: &[u8], codec: Codec) -> Result<File, UnpackError> {
        let mut file = tempfile::tempfile().expect("temporary file");
        file.write_all(bytes).expect("write");
        io::Seek::rewind(&mut file).expect("seek");
        let directory = tempfile::tempdir().expect("a directory");
        unpack(
            file,
            codec,
            &Unpack { directory: directory.path(), max_size: None, interrupt: &Interrupt::new() },
            &mut |_| {},
        )
    }

    #[test]
    fn all_parts_are_unpacked_and_zeros_take_no_room() {
        let text = b"a disk".repeat(1000);
        let mut packed = gzip(&[(0, 30 << 20), (7, 5000)]);
        packed.extend(gzip(&[(8, 3)]));
        let file = unpacked(&packed, Codec::Gzip).expect("gzip");
        assert_eq!(file.metadata().expect("metadata").len(), (30 << 20) + 5003);
        assert!(file.metadata().expect("metadata").blocks() * 512 < 1 << 20);
        let zstd = zstd::encode_all(&text[..], 1).expect("zstd");
        let mut xz = Vec::new();
        liblzma::read::XzEncoder::new(&text[..], 1).read_to_end(&mut xz).expect("xz");
        for (packed, codec) in [(zstd, Codec::Zstd), (xz, Codec::Xz)] {
            let file = unpacked(&packed, codec).expect("a file");
            let mut found = vec![0; text.len()];
            file.read_exact_at(&mut found, 0).expect("read");
            assert!(found == text);
            let error = unpacked(&packed[..packed.len() - 9], codec).expect_err("cut");
            assert!(matches!(error, UnpackError::Read(_)), "{error:?}");
        }
    }

    #[test]
    fn zeros_are_bounded() {
        // `io::repeat` fills each byte by itself in a debug build, which takes many seconds.
        let mut encoder = zstd::Encoder::new(Vec::new(), 1).expect("zstd");
        let zeros = vec![0; 1 << 20];
        for _ in 0..5 << 10 {
            encoder.write_all(&zeros).expect("memory");
        }
        let error = unpacked(&encoder.finish().expect("zstd"), Codec::Zstd).expect_err("too large").to_string();
        assert!(error.contains("it holds more than 4 GiB"), "{error}");
    }

    #[test]
    fn a_bomb_is_left_unexploded() {
        let bomb = zstd::encode_all(io::repeat(b'x').take(80 << 20), 1).expect("zstd");
        let error = unpacked(&bomb, Codec::Zstd).expect_err("a bomb").to_string();
        assert!(error.contains("it holds more than") && error.contains("made to fill disks"), "{error}");
    }
}
