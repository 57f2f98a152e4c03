//! A file that is written from its beginning to its end, with its digests.

use std::fs::File;
use std::io::{self, Seek as _, SeekFrom, Write as _};

use super::super::digests::{Hasher, Kinds};
use super::super::{Written, is_zero};

/// Bytes that are gathered before a write.
const BUFFER: usize = 256 << 10;

/// Smallest range of zeros that becomes a hole: the block of common file systems.
const HOLE: usize = 4096;

/// A file that is written in order and hashed meanwhile.
#[derive(Debug)]
pub struct Stream {
    file: File,
    buffer: Vec<u8>,
    hasher: Hasher,
    position: u64,
    /// The offset of its first byte in the file.
    base: u64,
}

impl Stream {
    /// Creates a stream at the start of an empty file.
    pub fn new(file: File, kinds: Kinds) -> Self {
        Self { file, buffer: Vec::with_capacity(BUFFER), hasher: Hasher::new(kinds), position: 0, base: 0 }
    }

    /// Creates a stream at an offset of a file, which counts as position 0. Bytes before it stay unchanged.
    pub fn at(mut file: File, base: u64, kinds: Kinds) -> io::Result<Self> {
        file.seek(SeekFrom::Start(base))?;
        Ok(Self { base, ..Self::new(file, kinds) })
    }

    /// Returns the position of the next byte.
    pub fn position(&self) -> u64 {
        self.position
    }

    /// Writes bytes.
    pub fn write(&mut self, bytes: &[u8]) -> io::Result<()> {
        self.hasher.update(bytes);
        self.position += bytes.len() as u64;
        if self.buffer.len() + bytes.len() > BUFFER {
            self.flush()?;
        }
        if bytes.len() >= BUFFER {
            self.file.write_all(bytes)
        } else {
            self.buffer.extend_from_slice(bytes);
            Ok(())
        }
    }

    /// Adds zeros up to `position`, which must not lie behind; enough zeros become a hole.
    pub fn skip_to(&mut self, position: u64) -> io::Result<()> {
        let mut left = position - self.position;
        if left < HOLE as u64 {
            return self.write(&ZEROS[..usize::try_from(left).expect("less than a hole")]);
        }
        while left > 0 {
            let zeros = left.min(ZEROS.len() as u64);
            self.hasher.update(&ZEROS[..usize::try_from(zeros).expect("at most the length of an array")]);
            left -= zeros;
        }
        self.flush()?;
        self.file.seek(SeekFrom::Start(self.base + position))?;
        self.position = position;
        Ok(())
    }

    /// Writes bytes at a position that must not lie behind. Zeros become holes. Zeros at the end stay unwritten: the position is
    /// then after the last other byte.
    pub fn write_sparse(&mut self, position: u64, bytes: &[u8]) -> io::Result<()> {
        let mut from = 0;
        while from < bytes.len() {
            from += run(&bytes[from..], true);
            let length = run(&bytes[from..], false);
            if length > 0 {
                self.skip_to(position + from as u64)?;
                self.write(&bytes[from..from + length])?;
                from += length;
            }
        }
        Ok(())
    }

    /// Completes the file at the current position, also within a hole.
    pub fn finish(mut self) -> io::Result<Written> {
        self.flush()?;
        self.file.set_len(self.base + self.position)?;
        Ok(Written { size: self.position, digests: self.hasher.finish() })
    }

    fn flush(&mut self) -> io::Result<()> {
        self.file.write_all(&self.buffer)?;
        self.buffer.clear();
        Ok(())
    }
}

/// Returns the length of the leading blocks that are all zero, or that are not.
fn run(bytes: &[u8], zero: bool) -> usize {
    bytes.chunks(HOLE).take_while(|block| is_zero(block) == zero).map(<[u8]>::len).sum()
}

static ZEROS: [u8; 64 << 10] = [0; 64 << 10];

#[cfg(test)]
mod tests {
    use std::os::unix::fs::MetadataExt as _;

    use super::*;
    use crate::digest::Sha256;

    #[test]
    fn holes_take_no_room_and_are_part_of_the_digest() {
        let file = tempfile::NamedTempFile::new().expect("temporary file");
        let mut stream = Stream::new(file.reopen().expect("file"), Kinds::default());
        stream.write(b"head").expect("write");
        stream.skip_to(4 << 20).expect("skip");
        stream.write(&vec![7; BUFFER + 1]).expect("write");
        stream.write(b"tail").expect("write");
        stream.skip_to(8 << 20).expect("skip");
        let written = stream.finish().expect("finish");
        assert_eq!(written.size, 8 << 20);
        let bytes = std::fs::read(file.path()).expect("read");
        assert_eq!((&bytes[..4], bytes[4 << 20], bytes.len()), (&b"head"[..], 7, 8 << 20));
        assert_eq!(Sha256::of(&bytes), written.digests.sha256);
        assert!(file.path().metadata().expect("metadata").blocks() * 512 < 1 << 20);
    }
}
