//! Reads numbers from headers of image files.

use std::fs::File;
use std::io;
use std::os::unix::fs::FileExt as _;

/// Bytes of a header. Bytes beyond the end read as zero, as headers that grew over time need it.
#[derive(Debug, Clone)]
pub(in crate::image) struct Fields(Vec<u8>);

impl Fields {
    /// Reads `length` bytes of a file, or fewer at its end.
    pub(in crate::image) fn read(file: &File, offset: u64, length: usize) -> io::Result<Self> {
        let mut bytes = vec![0; length];
        let mut filled = 0;
        while filled < length {
            let Some(at) = offset.checked_add(filled as u64).filter(|at| i64::try_from(*at).is_ok()) else { break };
            match file.read_at(&mut bytes[filled..], at) {
                Ok(0) => break,
                Ok(count) => filled += count,
                Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
                Err(error) => return Err(error),
            }
        }
        bytes.truncate(filled);
        Ok(Self(bytes))
    }

    /// Returns all bytes.
    pub(in crate::image) fn bytes(&self) -> &[u8] {
        &self.0
    }

    /// Returns a range of bytes, or the part of it that exists.
    pub(in crate::image) fn slice(&self, at: usize, length: usize) -> &[u8] {
        let from = at.min(self.0.len());
        &self.0[from..from.saturating_add(length).min(self.0.len())]
    }

    fn array<const N: usize>(&self, at: usize) -> [u8; N] {
        let mut array = [0; N];
        let there = self.slice(at, N);
        array[..there.len()].copy_from_slice(there);
        array
    }

    pub(in crate::image) fn u8(&self, at: usize) -> u8 {
        self.array::<1>(at)[0]
    }

    pub(in crate::image) fn be32(&self, at: usize) -> u32 {
        u32::from_be_bytes(self.array(at))
    }

    pub(in crate::image) fn be64(&self, at: usize) -> u64 {
        u64::from_be_bytes(self.array(at))
    }

    pub(in crate::image) fn le16(&self, at: usize) -> u16 {
        u16::from_le_bytes(self.array(at))
    }

    pub(in crate::image) fn le32(&self, at: usize) -> u32 {
        u32::from_le_bytes(self.array(at))
    }

    pub(in crate::image) fn le64(&self, at: usize) -> u64 {
        u64::from_le_bytes(self.array(at))
    }

    /// Returns the bytes with a range set to zero, for checksums over a header that holds them.
    pub(in crate::image) fn without(&self, at: usize, length: usize) -> Vec<u8> {
        let mut bytes = self.0.clone();
        let end = at.saturating_add(length).min(bytes.len());
        if at < end {
            bytes[at..end].fill(0);
        }
        bytes
    }
}

impl From<Vec<u8>> for Fields {
    fn from(bytes: Vec<u8>) -> Self {
        Self(bytes)
    }
}
