//! What the fuzz targets share: a file in memory, and a disk that is read as far as it can be.

#[path = "../tests/support/hostile.rs"]
pub mod hostile;

use std::fs::File;
use std::io::Write as _;
use std::os::fd::AsRawFd as _;
use std::path::PathBuf;

use goldsmith::image::read::{self, Options};
use goldsmith::image::{Extents, Format, Source};

/// Bytes of a disk that are read: enough for some blocks of every format.
const READ: u64 = 4 << 20;

/// A file in memory that has a path.
pub struct Memory {
    _file: File,
    /// Where it is found as long as this value lives.
    pub path: PathBuf,
}

impl Memory {
    /// A file with some content.
    pub fn new(content: &[u8]) -> Self {
        let file = rustix::fs::memfd_create("fuzz", rustix::fs::MemfdFlags::CLOEXEC).expect("a file in memory");
        let mut file = File::from(file);
        file.write_all(content).expect("memory");
        let path = PathBuf::from(format!("/proc/self/fd/{}", file.as_raw_fd()));
        Self { _file: file, path }
    }
}

/// Opens content as an image of a format and reads from it. `seal` first puts magic numbers where the format has them and
/// makes checksums right, so that no input is spent on finding these.
pub fn read(content: &[u8], format: Format, seal: impl FnOnce(&mut Vec<u8>)) {
    let mut content = content.to_vec();
    seal(&mut content);
    let file = Memory::new(&content);
    let _ = goldsmith::image::probe::probe(&file.path);
    let options = Options { format: Some(format), ..Options::default() };
    if let Ok(opened) = read::open(&file.path, &options) {
        walk(opened.source.as_ref());
    }
}

/// Reads data of a disk by its extents, and some of it blindly.
pub fn walk(source: &dyn Source) {
    let mut buffer = vec![0; 100_000];
    let extents = source.extents().unwrap_or_else(|_| std::iter::once(0..source.size()).collect::<Extents>());
    let mut left = READ;
    for range in extents.iter() {
        assert!(range.end <= source.size(), "an extent beyond the disk");
        let mut offset = range.start;
        while offset < range.end && left > 0 {
            let length = (range.end - offset).min(buffer.len() as u64).min(left);
            let _ = source.read_at(offset, &mut buffer[..length as usize]);
            offset += length;
            left -= length;
        }
    }
    let end = source.size().min(buffer.len() as u64);
    let _ = source.read_at(source.size() - end, &mut buffer[..end as usize]);
}

/// Puts bytes at a place, if it is there.
pub fn put(content: &mut [u8], at: usize, bytes: &[u8]) {
    if let Some(place) = content.get_mut(at..at.saturating_add(bytes.len())) {
        place.copy_from_slice(bytes);
    }
}
