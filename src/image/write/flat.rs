//! Raw disks: the bytes themselves, holes where there are zeros.

use std::io;

use super::super::{Sink, Written, is_zero};
use super::Stream;

/// Smallest range of zeros that becomes a hole: the block of common file systems.
const HOLE: usize = 4096;

/// Writes a raw disk.
#[derive(Debug)]
pub(super) struct Flat {
    stream: Stream,
    size: u64,
}

impl Flat {
    pub(super) fn new(stream: Stream, size: u64) -> Self {
        Self { stream, size }
    }
}

impl Sink for Flat {
    fn write(&mut self, offset: u64, data: &[u8]) -> io::Result<()> {
        let mut from = 0;
        while from < data.len() {
            let zeros = run(&data[from..], true);
            from += zeros;
            let length = run(&data[from..], false);
            if length > 0 {
                self.stream.skip_to(offset + from as u64)?;
                self.stream.write(&data[from..from + length])?;
                from += length;
            }
        }
        Ok(())
    }

    fn finish(mut self: Box<Self>) -> io::Result<Written> {
        self.stream.skip_to(self.size)?;
        self.stream.finish()
    }
}

/// Length of the blocks at the beginning that are all zero, or all not.
fn run(data: &[u8], zero: bool) -> usize {
    data.chunks(HOLE).take_while(|block| is_zero(block) == zero).map(<[u8]>::len).sum()
}
