//! Reads disks whose files have tables that map blocks: all formats but raw.

use std::fmt;
use std::io;
use std::ops::Range;
use std::os::unix::fs::FileExt as _;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, OnceLock, PoisonError};

use super::super::{Extents, Source};
use super::fault::rotten;
use super::pages::Pages;
use super::unpack::{Packed, unpack};

/// The place of a piece of the disk.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(in crate::image) enum Piece {
    /// Not stored: it is zero.
    Zero,
    /// In the file, from this offset.
    Plain(u64),
    /// In a compressed block that begins at this offset of the disk.
    Packed { block: u64, packed: Packed },
    /// In the parent disk; zero without a parent.
    Parent,
}

/// The tables of a format.
pub(in crate::image) trait Map: Send + Sync + fmt::Debug {
    /// Bytes of a block: a power of two.
    fn block_size(&self) -> u64;

    /// Returns the place of an offset within the disk, and the number of bytes from there for which this holds. It is at least
    /// one, and may reach beyond the end of the disk.
    ///
    /// # Errors
    ///
    /// `InvalidData` if the tables make no sense.
    fn piece(&self, pages: &Pages, offset: u64) -> io::Result<(Piece, u64)>;
}

/// Unpacked blocks that are kept, because neighbouring pieces of a large block are read one after another.
const UNPACKED: usize = 4;

/// Largest number of places in a file that are checked for double use: 32 MiB of memory.
const WATCHED: u64 = 1 << 28;

/// A disk that is read through tables.
pub(in crate::image) struct Mapped {
    pages: Pages,
    map: Box<dyn Map>,
    size: u64,
    parent: Option<Box<dyn Source>>,
    /// What the file itself says about the disk; known after a call of [`Source::extents`] or
    /// [`Source::own`].
    own: OnceLock<Extents>,
    packed: AtomicBool,
    unpacked: Mutex<Vec<(u64, Arc<Vec<u8>>)>>,
}

impl fmt::Debug for Mapped {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Mapped").field("map", &self.map).field("size", &self.size).finish_non_exhaustive()
    }
}

impl Mapped {
    pub(in crate::image) fn new(pages: Pages, map: Box<dyn Map>, size: u64, parent: Option<Box<dyn Source>>) -> Self {
        let (own, packed, unpacked) = (OnceLock::new(), AtomicBool::new(false), Mutex::default());
        Self { pages, map, size, parent, own, packed, unpacked }
    }

    /// Calls a function with each range of the disk and its place, in ascending order.
    fn each(&self, mut call: impl FnMut(Range<u64>, Piece) -> io::Result<()>) -> io::Result<()> {
        let mut offset = 0;
        while offset < self.size {
            let (piece, length) = self.map.piece(&self.pages, offset)?;
            let end = offset.saturating_add(length).min(self.size);
            call(offset..end, piece)?;
            offset = end;
        }
        Ok(())
    }

    /// Returns the longest piece from an offset on, within a limit. Joins neighbours that are read in the same way.
    fn run(&self, offset: u64, limit: u64) -> io::Result<(Piece, u64)> {
        let (piece, length) = self.map.piece(&self.pages, offset)?;
        let mut length = length.min(limit);
        while length < limit {
            let (next, more) = self.map.piece(&self.pages, offset + length)?;
            let joins = match (piece, next) {
                (Piece::Zero, Piece::Zero) | (Piece::Parent, Piece::Parent) => true,
                (Piece::Plain(at), Piece::Plain(next)) => at.checked_add(length) == Some(next),
                _ => false,
            };
            if !joins {
                break;
            }
            length = length.saturating_add(more).min(limit);
        }
        Ok((piece, length))
    }

    /// Reads uncompressed data. A file may end within its last block; the missing part is zero.
    fn read_plain(&self, at: u64, buffer: &mut [u8]) -> io::Result<()> {
        let there = self.pages.length().saturating_sub(at).min(buffer.len() as u64);
        let missing = buffer.len() as u64 - there;
        if there == 0 || missing >= self.map.block_size() {
            return Err(beyond());
        }
        let (data, rest) = buffer.split_at_mut(usize::try_from(there).expect("at most the length of a buffer"));
        rest.fill(0);
        self.pages.file().read_exact_at(data, at)
    }

    fn read_packed(&self, block: u64, packed: Packed, within: u64, buffer: &mut [u8]) -> io::Result<()> {
        let size = usize::try_from(self.map.block_size()).map_err(io::Error::other)?;
        let unpack = |data: &mut [u8]| unpack(self.pages.file(), self.pages.length(), packed, data);
        if within == 0 && buffer.len() == size {
            return unpack(buffer);
        }
        let within = usize::try_from(within).map_err(io::Error::other)?;
        // Threads that need the same block wait here until the first of them has unpacked it.
        let mut kept = self.unpacked.lock().unwrap_or_else(PoisonError::into_inner);
        let data = match kept.iter().position(|(of, _)| *of == block) {
            Some(found) => Arc::clone(&kept[found].1),
            None => {
                let mut data = vec![0; size];
                unpack(&mut data)?;
                let data = Arc::new(data);
                if kept.len() == UNPACKED {
                    kept.remove(0);
                }
                kept.push((block, Arc::clone(&data)));
                data
            }
        };
        drop(kept);
        buffer.copy_from_slice(&data[within..within + buffer.len()]);
        Ok(())
    }

    /// Reads as the tables say for each block.
    fn read_tables(&self, offset: u64, buffer: &mut [u8]) -> io::Result<()> {
        let (mut offset, mut left) = (offset, buffer);
        while !left.is_empty() {
            let (piece, length) = self.run(offset, left.len() as u64)?;
            let (bytes, rest) = left.split_at_mut(part(length));
            match piece {
                Piece::Zero => bytes.fill(0),
                Piece::Plain(at) => self.read_plain(at, bytes)?,
                Piece::Packed { block, packed } => self.read_packed(block, packed, offset - block, bytes)?,
                Piece::Parent => self.read_parent(offset, bytes)?,
            }
            offset += length;
            left = rest;
        }
        Ok(())
    }

    fn read_parent(&self, offset: u64, buffer: &mut [u8]) -> io::Result<()> {
        let Some(parent) = &self.parent else {
            buffer.fill(0);
            return Ok(());
        };
        // A disk may be larger than its parent; the rest is zero.
        let there = parent.size().saturating_sub(offset).min(buffer.len() as u64);
        let (data, rest) = buffer.split_at_mut(usize::try_from(there).expect("at most the length of a buffer"));
        rest.fill(0);
        if data.is_empty() { Ok(()) } else { parent.read_at(offset, data) }
    }
}

impl Source for Mapped {
    fn size(&self) -> u64 {
        self.size
    }

    fn extents(&self) -> io::Result<Extents> {
        let below = self.parent.as_ref().map(|parent| parent.extents()).transpose()?;
        let mut used = Used::new(self.pages.length(), self.map.block_size());
        let (mut extents, mut own) = (Extents::new(), Extents::new());
        self.each(|range, piece| {
            if piece != Piece::Parent {
                own.push(range.clone());
            }
            match piece {
                Piece::Zero => {}
                Piece::Plain(at) => {
                    used.add(at, range.end - range.start)?;
                    extents.push(range);
                }
                Piece::Packed { packed, .. } => {
                    if packed.at >= self.pages.length() {
                        return Err(beyond());
                    }
                    self.packed.store(true, Ordering::Relaxed);
                    extents.push(range);
                }
                Piece::Parent => {
                    below.iter().flat_map(|below| below.within(range.clone())).for_each(|it| extents.push(it))
                }
            }
            Ok(())
        })?;
        self.own.get_or_init(|| own);
        Ok(extents)
    }

    fn own(&self) -> io::Result<Extents> {
        if let Some(own) = self.own.get() {
            return Ok(own.clone());
        }
        let mut own = Extents::new();
        self.each(|range, piece| {
            if piece != Piece::Parent {
                own.push(range);
            }
            Ok(())
        })?;
        Ok(self.own.get_or_init(|| own).clone())
    }

    fn read_at(&self, offset: u64, buffer: &mut [u8]) -> io::Result<()> {
        let Some(own) = self.own.get().filter(|_| self.parent.is_some()) else {
            return self.read_tables(offset, buffer);
        };
        // In a long chain most is the parent's. Without the list, each level would look up each block.
        let (mut offset, mut left) = (offset, buffer);
        let end = offset.saturating_add(left.len() as u64);
        for range in own.within(offset..end) {
            let (above, rest) = left.split_at_mut(part(range.start - offset));
            let (within, rest) = rest.split_at_mut(part(range.end - range.start));
            if !above.is_empty() {
                self.read_parent(offset, above)?;
            }
            self.read_tables(range.start, within)?;
            (offset, left) = (range.end, rest);
        }
        if left.is_empty() { Ok(()) } else { self.read_parent(offset, left) }
    }

    /// Returns a correct value only after a call of [`Source::extents`].
    fn is_compressed(&self) -> bool {
        self.packed.load(Ordering::Relaxed) || self.parent.as_ref().is_some_and(|parent| parent.is_compressed())
    }
}

/// Returns a number of bytes of a buffer.
fn part(bytes: u64) -> usize {
    usize::try_from(bytes).expect("at most the length of a buffer")
}

fn beyond() -> io::Error {
    rotten("its tables lead to data beyond its end: it is truncated or damaged")
}

/// The places in a file that hold blocks. No place may hold two blocks of the disk. Otherwise the file is damaged, or pretends to
/// be a far larger disk.
struct Used {
    length: u64,
    block: u64,
    total: u64,
    slots: Vec<u64>,
}

impl Used {
    fn new(length: u64, block: u64) -> Self {
        let slots = length / block.max(1) + 1;
        // For a file with more places, only the total is checked.
        let words = if slots > WATCHED { 0 } else { slots.div_ceil(64) };
        Self { length, block, total: 0, slots: vec![0; usize::try_from(words).unwrap_or(0)] }
    }

    fn add(&mut self, at: u64, length: u64) -> io::Result<()> {
        if at >= self.length || length.saturating_sub(self.length - at) >= self.block {
            return Err(beyond());
        }
        self.total = self.total.saturating_add(length);
        let slot = at / self.block;
        let (word, bit) = (usize::try_from(slot / 64).unwrap_or(usize::MAX), 1 << (slot % 64));
        let twice = match self.slots.get_mut(word) {
            Some(word) => std::mem::replace(word, *word | bit) & bit != 0,
            None => false,
        };
        // The last block may be cut by the end of the file.
        if twice || self.total > self.length.saturating_add(self.block) {
            return Err(rotten(format!("its tables use the same place, {at}, for several blocks of the disk")));
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::sync::atomic::AtomicU64;

    /// A map of blocks of 4 KiB from a list, which counts the questions.
    #[derive(Debug)]
    struct List(Vec<Piece>, Arc<AtomicU64>);

    impl Map for List {
        fn block_size(&self) -> u64 {
            4096
        }

        fn piece(&self, _: &Pages, offset: u64) -> io::Result<(Piece, u64)> {
            self.1.fetch_add(1, Ordering::Relaxed);
            let within = offset % 4096;
            let piece = match self.0[(offset / 4096) as usize] {
                Piece::Plain(at) => Piece::Plain(at + within),
                piece => piece,
            };
            Ok((piece, 4096 - within))
        }
    }

    fn disk(blocks: &[Piece], parent: Option<Mapped>) -> Mapped {
        counted(blocks, parent).0
    }

    /// A disk, and the number of questions that its map was asked.
    fn counted(blocks: &[Piece], parent: Option<Mapped>) -> (Mapped, Arc<AtomicU64>) {
        let file = tempfile::tempfile().expect("temporary file");
        file.write_all_at(&(0..0x5000_u32).map(|i| (i >> 8) as u8 + 1).collect::<Vec<_>>(), 0).expect("write");
        let size = blocks.len() as u64 * 4096 - 512;
        let parent = parent.map(|parent| Box::new(parent) as Box<dyn Source>);
        let asked = Arc::new(AtomicU64::new(0));
        let map = Box::new(List(blocks.to_vec(), Arc::clone(&asked)));
        (Mapped::new(Pages::new(file).expect("pages"), map, size, parent), asked)
    }

    #[test]
    fn pieces_come_from_where_the_tables_say() {
        let base = disk(&[Piece::Plain(0), Piece::Plain(0x4000)], None);
        let blocks = [Piece::Parent, Piece::Parent, Piece::Plain(0x1000), Piece::Plain(0x2000), Piece::Zero];
        let (top, asked) = counted(&blocks, Some(base));
        let mut before = vec![9; usize::try_from(top.size()).expect("small")];
        top.read_at(0, &mut before).expect("read");
        let ranges: Vec<_> = top.extents().expect("extents").iter().cloned().collect();
        assert_eq!(ranges, [0..0x1e00, 0x2000..0x4000]);
        let own = std::iter::once(0x2000..top.size()).collect();
        assert_eq!(top.own().expect("own"), own, "zeros are its own, too");
        let mut bytes = vec![9; usize::try_from(top.size()).expect("small")];
        top.read_at(0, &mut bytes).expect("read");
        assert!(bytes == before, "the list of its own parts changes nothing");
        let questions = asked.load(Ordering::Relaxed);
        top.read_at(100, &mut bytes[..0x1f00]).expect("read");
        assert_eq!(asked.load(Ordering::Relaxed), questions, "what is the parent's is not looked up again");
        top.read_at(0, &mut bytes).expect("read");
        assert_eq!((bytes[0], bytes[0x1000], bytes[0x1dff], bytes[0x1e00]), (1, 0x41, 0x4e, 0));
        assert_eq!((bytes[0x2000], bytes[0x3fff], bytes[0x4000]), (0x11, 0x30, 0));
    }

    #[test]
    fn tables_that_lie_are_refused() {
        for (blocks, text) in [
            (vec![Piece::Plain(0x1000), Piece::Plain(0x1000)], "the same place"),
            (vec![Piece::Plain(0x5000), Piece::Zero], "beyond its end"),
            (vec![Piece::Plain(u64::MAX - 1), Piece::Zero], "beyond its end"),
        ] {
            let error = disk(&blocks, None).extents().expect_err(text);
            assert!(error.kind() == io::ErrorKind::InvalidData && error.to_string().contains(text), "{error}");
        }
    }
}
