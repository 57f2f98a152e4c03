//! Writes disks byte for byte: raw files, and fixed VHD files, which have a footer after the disk.

use std::io;

use super::super::{Sink, Written};
use super::Stream;

/// A writer of the bytes of a disk, with holes for zeros.
#[derive(Debug)]
pub(in crate::image) struct Flat {
    stream: Stream,
    size: u64,
    tail: Vec<u8>,
}

impl Flat {
    /// Creates a writer of a disk of `size` bytes, with zeros after its data. `tail` follows it.
    pub(in crate::image) fn new(stream: Stream, size: u64, tail: Vec<u8>) -> Self {
        Self { stream, size, tail }
    }
}

impl Sink for Flat {
    fn write(&mut self, offset: u64, data: &[u8]) -> io::Result<()> {
        self.stream.write_sparse(offset, data)
    }

    fn finish(mut self: Box<Self>) -> io::Result<Written> {
        self.stream.skip_to(self.size)?;
        self.stream.write(&self.tail)?;
        self.stream.finish()
    }
}
