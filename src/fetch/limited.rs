//! Reads small files of the host, up to a limit.

use std::fs::File;
use std::io::{self, Read as _};
use std::path::Path;

/// Reads a regular file of at most `limit` bytes.
pub(super) fn read_limited(path: &Path, limit: usize) -> io::Result<Vec<u8>> {
    readable_file(path)?;
    let mut content = Vec::new();
    File::open(path)?.take(limit as u64 + 1).read_to_end(&mut content)?;
    if content.len() > limit {
        return Err(io::Error::other(format!("it has more than {} KiB", limit >> 10)));
    }
    Ok(content)
}

pub(super) fn readable_file(path: &Path) -> io::Result<()> {
    if !path.metadata()?.is_file() {
        return Err(io::Error::other("it is no regular file"));
    }
    File::open(path).map(drop)
}
