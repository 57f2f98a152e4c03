//! A cache for the tables of an image file: reads parts of them when they are needed, and keeps some.

use std::collections::HashMap;
use std::fs::File;
use std::io;
use std::os::unix::fs::FileExt as _;
use std::sync::{Arc, Mutex, PoisonError};

use super::fault::rotten;

/// Unit of reading tables, in bytes.
const PAGE: u64 = 64 << 10;

/// Pages kept at most: 4 MiB of tables for each file, which map 32 GiB of a common qcow2 disk. Disks are read from beginning to
/// end, so more would hardly help.
const KEPT: usize = 64;

/// An image file with a cache for its tables.
#[derive(Debug)]
pub(in crate::image) struct Pages {
    file: File,
    length: u64,
    cache: Mutex<Cache>,
}

#[derive(Debug, Default)]
struct Cache {
    pages: HashMap<u64, (Arc<[u8]>, u64)>,
    clock: u64,
}

impl Pages {
    pub(in crate::image) fn new(file: File) -> io::Result<Self> {
        let length = file.metadata()?.len();
        Ok(Self { file, length, cache: Mutex::default() })
    }

    /// Returns the file.
    pub(in crate::image) fn file(&self) -> &File {
        &self.file
    }

    /// Returns the file and drops the cache.
    pub(in crate::image) fn into_file(self) -> File {
        self.file
    }

    /// Returns the length of the file, in bytes.
    pub(in crate::image) fn length(&self) -> u64 {
        self.length
    }

    /// Returns whether a range lies within the file.
    pub(in crate::image) fn holds(&self, offset: u64, length: u64) -> bool {
        offset.checked_add(length).is_some_and(|end| end <= self.length)
    }

    /// Reads a part of a table.
    ///
    /// # Errors
    ///
    /// `InvalidData` if the table lies beyond the end of the file.
    pub(in crate::image) fn read(&self, offset: u64, buffer: &mut [u8]) -> io::Result<()> {
        if !self.holds(offset, buffer.len() as u64) {
            return Err(rotten("one of its tables lies beyond its end: it is truncated or damaged"));
        }
        let (mut offset, mut left) = (offset, buffer);
        while !left.is_empty() {
            let page = self.page(offset / PAGE)?;
            let at = usize::try_from(offset % PAGE).expect("a page is small");
            let length = (page.len() - at).min(left.len());
            let (part, rest) = left.split_at_mut(length);
            part.copy_from_slice(&page[at..at + length]);
            offset += length as u64;
            left = rest;
        }
        Ok(())
    }

    pub(in crate::image) fn be32(&self, offset: u64) -> io::Result<u32> {
        self.array(offset).map(u32::from_be_bytes)
    }

    pub(in crate::image) fn be64(&self, offset: u64) -> io::Result<u64> {
        self.array(offset).map(u64::from_be_bytes)
    }

    pub(in crate::image) fn le32(&self, offset: u64) -> io::Result<u32> {
        self.array(offset).map(u32::from_le_bytes)
    }

    pub(in crate::image) fn le64(&self, offset: u64) -> io::Result<u64> {
        self.array(offset).map(u64::from_le_bytes)
    }

    /// Returns how many entries of 8 bytes are zero from an offset on, at most `most`. It looks no further than to the end of a page.
    ///
    /// # Errors
    ///
    /// `InvalidData` if the offset lies beyond the end of the file.
    pub(in crate::image) fn zero_entries(&self, offset: u64, most: u64) -> io::Result<u64> {
        if !self.holds(offset, 8) {
            return Err(rotten("one of its tables lies beyond its end: it is truncated or damaged"));
        }
        let page = self.page(offset / PAGE)?;
        let entries = page[usize::try_from(offset % PAGE).expect("a page is small")..].chunks_exact(8);
        let most = usize::try_from(most).unwrap_or(usize::MAX);
        Ok(entries.take(most).take_while(|entry| **entry == [0; 8]).count() as u64)
    }

    fn array<const N: usize>(&self, offset: u64) -> io::Result<[u8; N]> {
        let mut array = [0; N];
        self.read(offset, &mut array)?;
        Ok(array)
    }

    /// Returns a page; the last page of a file may be short.
    fn page(&self, number: u64) -> io::Result<Arc<[u8]>> {
        // A panic elsewhere leaves the cache valid.
        let mut cache = self.cache.lock().unwrap_or_else(PoisonError::into_inner);
        cache.clock += 1;
        let now = cache.clock;
        if let Some((page, used)) = cache.pages.get_mut(&number) {
            *used = now;
            return Ok(Arc::clone(page));
        }
        let start = number * PAGE;
        let mut bytes = vec![0; usize::try_from(PAGE.min(self.length - start)).expect("a page is small")];
        self.file.read_exact_at(&mut bytes, start)?;
        if cache.pages.len() >= KEPT {
            let oldest = cache.pages.iter().min_by_key(|(_, (_, used))| *used).map(|(number, _)| *number);
            oldest.and_then(|number| cache.pages.remove(&number));
        }
        let page: Arc<[u8]> = bytes.into();
        cache.pages.insert(number, (Arc::clone(&page), now));
        Ok(page)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn tables_are_read_across_pages_and_only_so_many_are_kept() {
        let file = tempfile::tempfile().expect("temporary file");
        file.set_len(PAGE * 100 + 3).expect("length");
        file.write_all_at(&0x1122_3344_u32.to_be_bytes(), PAGE - 2).expect("write");
        let pages = Pages::new(file).expect("pages");
        assert_eq!(pages.be32(PAGE - 2).expect("a number"), 0x1122_3344);
        for number in 0..100 {
            assert_eq!(pages.le64(number * PAGE + 8).expect("a number"), 0);
        }
        assert_eq!(pages.cache.lock().expect("no panic").pages.len(), KEPT);
        assert_eq!(pages.be32(PAGE * 100).expect_err("beyond").kind(), io::ErrorKind::InvalidData);
        assert!(pages.be64(u64::MAX - 3).is_err());
    }

    #[test]
    fn empty_entries_are_counted_within_a_page_and_a_limit() {
        let file = tempfile::tempfile().expect("temporary file");
        file.set_len(PAGE + 12).expect("length");
        file.write_all_at(&[1], 8 * 10 + 7).expect("write");
        let pages = Pages::new(file).expect("pages");
        let count = |offset, most| pages.zero_entries(offset, most).expect("a number");
        assert_eq!((count(0, 100), count(0, 4), count(80, 100)), (10, 4, 0));
        assert_eq!(count(88, u64::MAX), PAGE / 8 - 11, "to the end of the page");
        assert_eq!(count(PAGE, 100), 1, "the last bytes are no entry");
        assert_eq!(pages.zero_entries(PAGE + 8, 1).expect_err("beyond").kind(), io::ErrorKind::InvalidData);
    }
}
