//! Reads raw disks: the file is the disk.

use std::fs::File;
use std::io;
use std::os::unix::fs::FileExt as _;

use rustix::fs::SeekFrom;
use rustix::io::Errno;

use super::super::{Extents, Source};

/// A raw disk.
#[derive(Debug)]
pub struct Raw {
    file: File,
    size: u64,
}

impl Raw {
    /// Opens a file with any content.
    pub fn new(file: File) -> io::Result<Self> {
        let size = file.metadata()?.len();
        Ok(Self { file, size })
    }
}

impl Raw {
    /// Returns the first `size` bytes of a file as a disk. The file must be at least as long.
    pub(in crate::image) fn part(file: File, size: u64) -> Self {
        Self { file, size }
    }
}

impl Source for Raw {
    fn size(&self) -> u64 {
        self.size
    }

    /// Holes of the file system are no data.
    fn extents(&self) -> io::Result<Extents> {
        let mut extents = Extents::new();
        let mut position = 0;
        while position < self.size {
            let start = match rustix::fs::seek(&self.file, SeekFrom::Data(position)) {
                Ok(start) => start,
                // No data up to the end.
                Err(Errno::NXIO) => break,
                // A file system that knows no holes.
                Err(Errno::INVAL | Errno::OPNOTSUPP) => {
                    extents.push(position..self.size);
                    break;
                }
                Err(error) => return Err(error.into()),
            };
            position = rustix::fs::seek(&self.file, SeekFrom::Hole(start))?.min(self.size);
            extents.push(start..position);
        }
        Ok(extents)
    }

    fn read_at(&self, offset: u64, buffer: &mut [u8]) -> io::Result<()> {
        self.file.read_exact_at(buffer, offset)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn holes_are_no_data() {
        let file = tempfile::tempfile().expect("temporary file");
        file.set_len(16 << 20).expect("length");
        file.write_all_at(&[5; 4096], 8 << 20).expect("write");
        let raw = Raw::new(file).expect("raw");
        let extents = raw.extents().expect("extents");
        assert_eq!(extents.blocks(1 << 20).collect::<Vec<_>>(), [8]);
        let mut bytes = [0; 4];
        raw.read_at(8 << 20, &mut bytes).expect("read");
        assert_eq!(bytes, [5; 4]);
    }
}
