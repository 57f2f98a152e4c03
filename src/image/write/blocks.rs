//! Writes files that consist of a head with tables, and the blocks of the disk.
//!
//! The extents are known before the first byte is written, and determine all of the file but the data. So a format is a pure
//! function from a disk to a [`Layout`], and [`Blocks`] writes the file from beginning to end.

use std::io;

use super::super::{Extents, Sink, Written, is_zero};
use super::Stream;

/// The structure of a file of blocks.
#[derive(Debug)]
pub(in crate::image) struct Layout {
    /// The parts before the blocks, by position; zeros between.
    pub(in crate::image) head: Vec<(u64, Piece)>,
    /// Bytes of the disk in a block; a power of two.
    pub(in crate::image) block: u64,
    /// The bytes before the data of each block.
    pub(in crate::image) prefix: Vec<u8>,
    /// Position of the first block.
    pub(in crate::image) first: u64,
    /// The bytes after the last block.
    pub(in crate::image) tail: Vec<u8>,
}

/// Part of a head.
#[derive(Debug)]
pub(in crate::image) enum Piece {
    /// These bytes.
    Bytes(Vec<u8>),
    /// The table of blocks.
    Map(Map),
}

/// A table with an entry for each block of the disk. It is never in memory as a whole: for a disk of 64 TiB, it has hundreds of
/// megabytes.
#[derive(Debug, Clone, Copy)]
pub(in crate::image) struct Map {
    /// Size and order of an entry.
    pub(in crate::image) word: Word,
    /// Blocks of the disk.
    pub(in crate::image) blocks: u64,
    /// Entry of the first block in the file.
    pub(in crate::image) start: u64,
    /// Difference between the entries of one block in the file and the next.
    pub(in crate::image) step: u64,
    /// Entry of a block that is not in the file.
    pub(in crate::image) absent: u64,
    /// If set, an entry of zero follows each group of so many entries.
    pub(in crate::image) group: Option<u64>,
}

/// An unsigned number in a file.
#[derive(Debug, Clone, Copy)]
pub(in crate::image) enum Word {
    /// 32 bits, the most significant byte first.
    Be32,
    /// 32 bits, the least significant byte first.
    Le32,
    /// 64 bits, the least significant byte first.
    Le64,
}

/// The blocks of a disk that are in the file.
#[derive(Debug)]
pub(in crate::image) struct Present {
    runs: Vec<Run>,
}

/// A range of consecutive blocks.
#[derive(Debug, Clone, Copy)]
struct Run {
    first: u64,
    count: u64,
    /// Number of blocks in the file before this range.
    rank: u64,
}

impl Present {
    /// Finds the blocks that hold data.
    pub(in crate::image) fn new(extents: &Extents, block: u64) -> Self {
        let mut runs: Vec<Run> = Vec::new();
        for range in extents.iter() {
            let (first, end) = (range.start / block, range.end.div_ceil(block));
            let mut rank = 0;
            if let Some(last) = runs.last_mut() {
                if first <= last.first + last.count {
                    last.count = end - last.first;
                    continue;
                }
                rank = last.rank + last.count;
            }
            runs.push(Run { first, count: end - first, rank });
        }
        Self { runs }
    }

    /// Returns the number of blocks in the file.
    pub(in crate::image) fn count(&self) -> u64 {
        self.runs.last().map_or(0, |run| run.rank + run.count)
    }

    /// Returns the number of blocks in the file before this one; `None` if it is not in the file.
    pub(in crate::image) fn rank(&self, block: u64) -> Option<u64> {
        let after = self.runs.partition_point(|run| run.first <= block);
        let run = self.runs[..after].last()?;
        (block - run.first < run.count).then(|| run.rank + block - run.first)
    }
}

impl Word {
    fn put(self, value: u64, out: &mut Vec<u8>) {
        match self {
            Self::Be32 => out.extend_from_slice(&value.to_be_bytes()[4..]),
            Self::Le32 => out.extend_from_slice(&value.to_le_bytes()[..4]),
            Self::Le64 => out.extend_from_slice(&value.to_le_bytes()),
        }
    }
}

impl Map {
    /// Number of entries written at once.
    const BATCH: u64 = 8192;

    fn write(&self, present: &Present, stream: &mut Stream) -> io::Result<()> {
        let mut bytes = Vec::new();
        let mut next = 0;
        for run in &present.runs {
            self.absent(next..run.first, &mut bytes, stream)?;
            next = run.first + run.count;
            for block in run.first..next {
                self.word.put(self.start + (run.rank + block - run.first) * self.step, &mut bytes);
                self.separate(block, &mut bytes);
                if block.is_multiple_of(Self::BATCH) {
                    stream.write(&bytes)?;
                    bytes.clear();
                }
            }
        }
        self.absent(next..self.blocks, &mut bytes, stream)?;
        stream.write(&bytes)
    }

    /// Writes the entries of blocks that are not in the file.
    fn absent(&self, blocks: std::ops::Range<u64>, bytes: &mut Vec<u8>, stream: &mut Stream) -> io::Result<()> {
        let width = if matches!(self.word, Word::Le64) { 8 } else { 4 };
        let count = blocks.end - blocks.start;
        if self.absent == 0 && self.group.is_none() && count > Self::BATCH {
            stream.write(bytes)?;
            bytes.clear();
            return stream.skip_to(stream.position() + count * width);
        }
        for block in blocks {
            self.word.put(self.absent, bytes);
            self.separate(block, bytes);
            if block.is_multiple_of(Self::BATCH) {
                stream.write(bytes)?;
                bytes.clear();
            }
        }
        Ok(())
    }

    fn separate(&self, block: u64, bytes: &mut Vec<u8>) {
        if self.group.is_some_and(|group| (block + 1).is_multiple_of(group) && block + 1 < self.blocks) {
            self.word.put(0, bytes);
        }
    }
}

/// A writer of a file of blocks.
#[derive(Debug)]
pub(in crate::image) struct Blocks {
    stream: Stream,
    layout: Layout,
    present: Present,
}

impl Blocks {
    /// Writes the head.
    pub(in crate::image) fn new(mut layout: Layout, extents: &Extents, mut stream: Stream) -> io::Result<Self> {
        let present = Present::new(extents, layout.block);
        for (position, piece) in std::mem::take(&mut layout.head) {
            stream.skip_to(position)?;
            match piece {
                Piece::Bytes(bytes) => stream.write(&bytes)?,
                Piece::Map(map) => map.write(&present, &mut stream)?,
            }
        }
        Ok(Self { stream, layout, present })
    }

    /// Returns the position of a block from the number of blocks before it.
    fn position(&self, rank: u64) -> u64 {
        self.layout.first + rank * (self.layout.prefix.len() as u64 + self.layout.block)
    }
}

impl Sink for Blocks {
    fn write(&mut self, offset: u64, data: &[u8]) -> io::Result<()> {
        let size = self.layout.block;
        let mut at = offset;
        let mut left = data;
        while !left.is_empty() {
            let block = at / size;
            let within = at - block * size;
            let length = usize::try_from(size - within).map_or(left.len(), |length| length.min(left.len()));
            let piece;
            (piece, left) = left.split_at(length);
            at += length as u64;
            match self.present.rank(block) {
                Some(rank) => {
                    let position = self.position(rank);
                    if self.stream.position() <= position {
                        self.stream.skip_to(position)?;
                        self.stream.write(&self.layout.prefix)?;
                    }
                    self.stream.write_sparse(position + self.layout.prefix.len() as u64 + within, piece)?;
                }
                None if is_zero(piece) => {}
                None => {
                    let message = format!("there is data at byte {at} of the disk, where none was announced");
                    return Err(io::Error::new(io::ErrorKind::InvalidInput, message));
                }
            }
        }
        Ok(())
    }

    fn finish(mut self: Box<Self>) -> io::Result<Written> {
        self.stream.skip_to(self.position(self.present.count()))?;
        self.stream.write(&self.layout.tail)?;
        self.stream.finish()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn file(layout: Layout, extents: &[(u64, u64)], data: &[(u64, &[u8])]) -> io::Result<Vec<u8>> {
        let file = tempfile::NamedTempFile::new().expect("temporary file");
        let stream = Stream::new(file.reopen().expect("file"), Default::default());
        let mut sink =
            Box::new(Blocks::new(layout, &extents.iter().map(|(start, end)| *start..*end).collect(), stream)?);
        data.iter().try_for_each(|(offset, data)| sink.write(*offset, data))?;
        sink.finish()?;
        std::fs::read(file.path())
    }

    fn layout(map: Map) -> Layout {
        let head = vec![(0, Piece::Bytes(b"head".to_vec())), (8, Piece::Map(map))];
        Layout { head, block: 16, prefix: b"<>".to_vec(), first: 48, tail: b"tail".to_vec() }
    }

    const MAP: Map = Map { word: Word::Be32, blocks: 6, start: 7, step: 2, absent: 0xff, group: None };

    #[test]
    fn blocks_follow_their_map() {
        // Blocks 1 and 4. The second one begins with bytes that no call writes, like a chunk of zeros.
        let bytes = file(layout(MAP), &[(17, 18), (70, 73)], &[(16, &[1; 4]), (68, &[2; 5])]).expect("written");
        assert_eq!(&bytes[..8], b"head\0\0\0\0");
        let entries: Vec<_> = bytes[8..32].chunks(4).map(|entry| entry[3]).collect();
        assert_eq!(entries, [0xff, 7, 0xff, 0xff, 9, 0xff]);
        assert_eq!(&bytes[48..66], b"<>\x01\x01\x01\x01\0\0\0\0\0\0\0\0\0\0\0\0");
        assert_eq!(&bytes[66..], b"<>\0\0\0\0\x02\x02\x02\x02\x02\0\0\0\0\0\0\0tail");
    }

    #[test]
    fn groups_are_set_apart_but_not_after_the_last() {
        let map = Map { word: Word::Le32, group: Some(2), absent: 3, ..MAP };
        let bytes = file(layout(map), &[(0, 16)], &[]).expect("written");
        let entries: Vec<_> = bytes[8..40].chunks(4).map(|entry| entry[0]).collect();
        assert_eq!(entries, [7, 3, 0, 3, 3, 0, 3, 3]);
    }

    #[test]
    fn data_that_was_not_announced_is_refused() {
        assert!(file(layout(MAP), &[(0, 16)], &[(0, &[1; 17])]).is_err());
        assert!(file(layout(MAP), &[(0, 16)], &[(0, &[1, 0])]).is_ok());
    }

    #[test]
    fn ranks_are_those_of_counting() {
        let extents: Extents = [0..1, 15..17, 40..41, 50..90, 200..201].into_iter().collect();
        let present = Present::new(&extents, 16);
        let blocks: Vec<_> = extents.blocks(16).collect();
        for block in 0..20 {
            let counted = blocks.iter().position(|other| *other == block).map(|rank| rank as u64);
            assert_eq!(present.rank(block), counted, "{block}");
        }
        assert_eq!(present.count(), blocks.len() as u64);
    }
}
