//! The two ends of every conversion: a disk that is read, and a file that is written.

use std::io;

use super::digests;
use super::extents::Extents;

/// Unit of reading and writing, in bytes: every range that a [`Sink`] is given begins at a multiple of it.
///
/// It is the block of a dynamic VHD, and the largest cluster of qcow2, so that most writers never put
/// blocks together from pieces.
pub const CHUNK: usize = 2 << 20;

/// A disk that is read from an image file.
pub trait Source: Send + Sync {
    /// Size of the disk, in bytes.
    fn size(&self) -> u64;

    /// Where data is; everything else reads as zeros. Found from the file's tables alone, in little time.
    fn extents(&self) -> io::Result<Extents>;

    /// Reads bytes of the disk. The whole range lies within the disk. Several threads may read at once.
    ///
    /// # Errors
    ///
    /// An error of kind `InvalidData` says what is wrong with the file; others are the host's.
    fn read_at(&self, offset: u64, buffer: &mut [u8]) -> io::Result<()>;

    /// Whether reading costs much processor time, as it does where data is compressed.
    fn is_compressed(&self) -> bool {
        false
    }
}

/// A file of some format that is being written.
pub trait Sink: Send {
    /// Takes data of the disk. Calls come in ascending order; `offset` is a multiple of [`CHUNK`], `data` at most
    /// [`CHUNK`] long and shorter only at the disk's end. Whatever is never given is zero.
    fn write(&mut self, offset: u64, data: &[u8]) -> io::Result<()>;

    /// Writes what is left. The file is complete afterwards, though not yet on stable storage.
    fn finish(self: Box<Self>) -> io::Result<Written>;
}

/// What became of an image file that was written.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Written {
    /// Length of the file, in bytes.
    pub size: u64,
    /// Digests of its content.
    pub digests: digests::Digests,
}

/// Whether all bytes are zero.
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
