//! Image files that are compressed as a whole: unpacked once, into a sparse file without a name.
//!
//! A disk cannot be read out of order from a compressed file. What is unpacked may be anything: a small file can
//! hold a disk that no host has room for. So zeros become holes, and the rest may neither outgrow what such files have
//! by far, nor take the file system's last room.

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

/// Bytes of data that a byte of the compressed file may become. Systems shrink to a half or a third; text that
/// repeats itself to a fiftieth.
const RATIO: u64 = 250;

/// Bytes, zeros among them, that a byte of the compressed file may become, what even the smallest file may become, and
/// what none may become if nobody says otherwise. Zeros take no room, but time: a kibibyte may hold years of them.
const ZEROS: (u64, u64, u64) = (1000, 4 << 30, 64 << 30);

/// Data that even the smallest file may have, in bytes.
const ALWAYS: u64 = 64 << 20;

/// Bytes of data after which free space is looked at again.
const LOOK: u64 = 16 << 20;

/// Memory that unpacking xz may take: enough for `xz -9`.
const XZ_MEMORY: u64 = 256 << 20;

/// Where and how a file is unpacked.
#[derive(Debug, Clone, Copy)]
pub struct Unpack<'a> {
    /// Directory of the temporary file, which has no name there and goes when it is closed.
    pub directory: &'a Path,
    /// Bytes that it may hold, zeros among them: in place of 64 GiB, and of 1000 times its length or 4 GiB.
    pub max_size: Option<u64>,
    /// The wish to stop.
    pub interrupt: &'a Interrupt,
}

/// Why a file cannot be unpacked.
#[derive(Debug, thiserror::Error)]
pub enum UnpackError {
    /// The compressed file cannot be read, or is damaged.
    #[error(transparent)]
    Read(io::Error),
    /// The temporary file cannot be written.
    #[error("cannot write a temporary file to {}", directory.display())]
    Write {
        /// Where.
        directory: PathBuf,
        /// Why.
        #[source]
        source: io::Error,
    },
    /// There is no room for what is in it.
    #[error("no space left on this machine: {} has too little for what is in it, after {unpacked} of data", directory.display())]
    NoSpace {
        /// Where it was unpacked to.
        directory: PathBuf,
        /// Data until then.
        unpacked: ByteSize,
    },
    /// It grows beyond what an image does.
    #[error("it holds more than {unpacked} in {packed}: it is made to fill disks, or no image of a system")]
    Bomb {
        /// Length of the compressed file.
        packed: ByteSize,
        /// What was unpacked until then.
        unpacked: ByteSize,
    },
    /// It is larger than such files are.
    #[error("it holds more than {most} in {packed}")]
    TooLarge {
        /// Length of the compressed file.
        packed: ByteSize,
        /// What it may hold.
        most: ByteSize,
    },
    /// The user asked to stop.
    #[error("interrupted")]
    Interrupted,
}

/// Unpacks a file. `progress` gets the bytes of it that were read so far.
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

/// A file that counts what was read of it.
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

/// Unpacks all members, frames or streams of a file. Memory is bounded: 256 MiB for xz, 128 MiB for Zstandard, whose
/// files made with `--long=28` and more are refused by their library.
fn decoder(file: Counted, codec: Codec) -> io::Result<Box<dyn Read>> {
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

/// Fills a buffer as far as there is something.
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
        let zeros = zstd::encode_all(io::repeat(0).take(5 << 30), 1).expect("zstd");
        let error = unpacked(&zeros, Codec::Zstd).expect_err("too large").to_string();
        assert!(error.contains("it holds more than 4 GiB"), "{error}");
    }

    #[test]
    fn a_bomb_is_left_unexploded() {
        let bomb = zstd::encode_all(io::repeat(b'x').take(80 << 20), 1).expect("zstd");
        let error = unpacked(&bomb, Codec::Zstd).expect_err("a bomb").to_string();
        assert!(error.contains("it holds more than") && error.contains("made to fill disks"), "{error}");
    }
}
