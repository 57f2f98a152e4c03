//! The interfaces of readers and writers: [`Source`] is a disk to read, [`Sink`] a file to write.

use std::io;

use super::digests;
use super::extents::Extents;

/// Unit of reading and writing, in bytes: a writer receives ranges that begin at multiples of it.
///
/// It is the block of a dynamic VHD, and the largest cluster of qcow2, so most writers need not join pieces to blocks.
pub const CHUNK: usize = 2 << 20;

/// A disk that is read from an image file.
pub trait Source: Send + Sync {
    /// Returns the size of the disk, in bytes.
    fn size(&self) -> u64;

    /// Returns the ranges with data; everything else reads as zeros. Needs only the file's tables and little time.
    fn extents(&self) -> io::Result<Extents>;

    /// Returns the ranges that the file itself decides. Everything else is as the disk below it has it, the backing file. Needs
    /// only the file's tables and little time.
    fn own(&self) -> io::Result<Extents> {
        Ok(std::iter::once(0..self.size()).collect())
    }

    /// Reads bytes of the disk. The whole range lies within the disk. Several threads may read at once.
    ///
    /// # Errors
    ///
    /// `InvalidData` if the file is damaged; the message says how. Other kinds are errors of the host.
    fn read_at(&self, offset: u64, buffer: &mut [u8]) -> io::Result<()>;

    /// Returns whether reading is slow because the data is compressed.
    fn is_compressed(&self) -> bool {
        false
    }
}

/// An image file that is being written.
pub trait Sink: Send {
    /// Writes data of the disk. Calls come in ascending order; `offset` is a multiple of [`CHUNK`], `data` at most [`CHUNK`] long
    /// and shorter only at the disk's end. Parts of the disk that are never written are zero.
    fn write(&mut self, offset: u64, data: &[u8]) -> io::Result<()>;

    /// Completes the file. It need not be on the disk yet.
    fn finish(self: Box<Self>) -> io::Result<Written>;
}

/// An image file that was written.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Written {
    /// Length of the file, in bytes.
    pub size: u64,
    /// Digests of its content.
    pub digests: digests::Digests,
}

/// Returns whether all bytes are zero.
pub fn is_zero(data: &[u8]) -> bool {
    // Comparing with itself, shifted by one, is a memcmp.
    data.first().is_none_or(|first| *first == 0 && data[1..] == data[..data.len() - 1])
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn zeros_are_told_from_the_rest() {
        let mut data = vec![0; 4096];
        assert!(is_zero(&data) && is_zero(&[]) && is_zero(&[0]) && !is_zero(&[1]));
        for at in [0, 1, 4095] {
            data[at] = 1;
            assert!(!is_zero(&data), "{at}");
            data[at] = 0;
        }
    }
}
