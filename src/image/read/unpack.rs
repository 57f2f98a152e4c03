//! Unpacks compressed blocks of image files.

use std::fs::File;
use std::io;
use std::os::unix::fs::FileExt as _;

use flate2::{Decompress, FlushDecompress, Status};
use zstd::stream::raw::{Decoder, Operation as _};

use super::fault::rotten;

/// The place of a compressed block.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(in crate::image) struct Packed {
    /// Offset in the file, in bytes.
    pub(in crate::image) at: u64,
    /// Largest number of bytes it may have, with the gap before the next block.
    pub(in crate::image) length: u64,
    /// The compression.
    pub(in crate::image) method: Method,
}

/// The compression of a block.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(in crate::image) enum Method {
    /// Deflate without a frame.
    Deflate,
    /// One Zstandard frame.
    Zstd,
    /// A VMDK grain: its first sector, the length of what follows, and deflate in zlib's frame.
    Grain {
        /// Sector of the disk that its marker must name; `None` for grains without markers.
        sector: Option<u64>,
        /// Bytes of the grain that the disk needs: the disk may end within the last grain.
        needed: usize,
    },
}

/// Reads a block and unpacks it into a buffer of its size.
///
/// # Errors
///
/// `InvalidData` if the block has another size, or is damaged.
pub(in crate::image) fn unpack(file: &File, file_length: u64, packed: Packed, block: &mut [u8]) -> io::Result<()> {
    let available = file_length.saturating_sub(packed.at).min(packed.length);
    let read = |at: u64, length: u64| -> io::Result<Vec<u8>> {
        let mut bytes = vec![0; usize::try_from(length).map_err(io::Error::other)?];
        file.read_exact_at(&mut bytes, at)?;
        Ok(bytes)
    };
    match packed.method {
        _ if available == 0 => Err(rotten("a compressed block of it lies beyond its end")),
        Method::Deflate => inflate(Decompress::new(false), &read(packed.at, available)?, block, block.len()),
        Method::Zstd => zstd(&read(packed.at, available)?, block),
        Method::Grain { sector: None, needed } => {
            inflate(Decompress::new(true), &read(packed.at, available)?, block, needed)
        }
        Method::Grain { sector: Some(sector), needed } => {
            const MARKER: u64 = 12;
            if available < MARKER {
                return Err(rotten("a compressed grain of it lies beyond its end"));
            }
            let marker = read(packed.at, MARKER)?;
            let found = u64::from_le_bytes(marker[..8].try_into().expect("eight bytes"));
            let length = u64::from(u32::from_le_bytes(marker[8..].try_into().expect("four bytes")));
            if found != sector {
                let reason = format!("a grain that should be for sector {sector} is marked for sector {found}");
                return Err(rotten(reason));
            }
            if length > available - MARKER {
                return Err(rotten(format!("a compressed grain says to have {length} bytes, more than it can have")));
            }
            inflate(Decompress::new(true), &read(packed.at + MARKER, length)?, block, needed)
        }
    }
}

fn inflate(mut stream: Decompress, input: &[u8], block: &mut [u8], needed: usize) -> io::Result<()> {
    let broken = || rotten("a compressed block of it is broken");
    let mut ended = false;
    loop {
        let read = usize::try_from(stream.total_in()).unwrap_or(usize::MAX);
        let written = usize::try_from(stream.total_out()).unwrap_or(usize::MAX);
        // One byte of room after the block shows whether there is more data.
        let mut beyond = [0];
        let full = written >= block.len();
        let output = if full { &mut beyond[..] } else { &mut block[written..] };
        let status = stream.decompress(&input[read..], output, FlushDecompress::None).map_err(|_| broken())?;
        if full && stream.total_out() > written as u64 {
            return Err(rotten("a compressed block of it holds more than a block"));
        }
        let stuck = stream.total_in() == read as u64 && stream.total_out() == written as u64;
        ended |= status == Status::StreamEnd;
        if ended || stuck {
            break;
        }
    }
    finish(usize::try_from(stream.total_out()).unwrap_or(usize::MAX), block, needed)
}

fn zstd(input: &[u8], block: &mut [u8]) -> io::Result<()> {
    let mut decoder = Decoder::new()?;
    let (mut read, mut written) = (0, 0);
    loop {
        let mut beyond = [0];
        let full = written >= block.len();
        let output = if full { &mut beyond[..] } else { &mut block[written..] };
        let status =
            decoder.run_on_buffers(&input[read..], output).map_err(|_| rotten("a compressed block of it is broken"))?;
        if full && status.bytes_written > 0 {
            return Err(rotten("a compressed block of it holds more than a block"));
        }
        read += status.bytes_read;
        written += status.bytes_written;
        // Nothing remains at the end of a frame; the rest of the sector is padding.
        if status.remaining == 0 || (status.bytes_read == 0 && status.bytes_written == 0) {
            break;
        }
    }
    finish(written, block, block.len())
}

fn finish(written: usize, block: &mut [u8], needed: usize) -> io::Result<()> {
    if written < needed {
        return Err(rotten("a compressed block of it holds less than a block"));
    }
    if written < block.len() {
        block[written..].fill(0);
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use std::io::Write as _;

    use flate2::Compression;

    use super::*;

    fn deflated(data: &[u8]) -> Vec<u8> {
        let mut encoder = flate2::write::DeflateEncoder::new(Vec::new(), Compression::fast());
        encoder.write_all(data).expect("write");
        encoder.finish().expect("deflate")
    }

    fn unpacked(mut bytes: Vec<u8>, method: Method) -> Result<Vec<u8>, String> {
        let file = tempfile::tempfile().expect("temporary file");
        // The rest of the last sector belongs to the next block.
        bytes.extend_from_slice(&[0xa5; 100]);
        file.write_all_at(&bytes, 0).expect("write");
        let mut block = vec![9; 4096];
        let packed = Packed { at: 0, length: 65536, method };
        unpack(&file, bytes.len() as u64, packed, &mut block).map(|()| block).map_err(|error| error.to_string())
    }

    #[test]
    fn blocks_are_of_their_size_or_refused() {
        let of = |length: usize| (0..length).map(|i| (i / 7) as u8).collect::<Vec<u8>>();
        for (method, pack) in [
            (Method::Deflate, &deflated as &dyn Fn(&[u8]) -> Vec<u8>),
            (Method::Zstd, &|data: &[u8]| zstd::encode_all(data, 1).expect("zstd")),
        ] {
            assert_eq!(unpacked(pack(&of(4096)), method), Ok(of(4096)), "{method:?}");
            for (length, text) in [(4000, "less than a block"), (4097, "more than a block"), (90_000, "more than")] {
                let error = unpacked(pack(&of(length)), method).expect_err("a wrong size");
                assert!(error.contains(text), "{method:?}: {error}");
            }
            assert!(unpacked(vec![0x5a; 300], method).expect_err("noise").contains("block"), "{method:?}");
        }
    }
}
