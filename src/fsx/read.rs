//! Reading of untrusted files, with a size limit.

use std::fs::File;
use std::io::{self, Read as _};
use std::path::Path;

use super::error::IoContext as _;
use super::error::PathError;

/// Reads a regular file that is not trusted, up to a size. A pipe or a device in its place is an error, and does not block.
///
/// # Errors
///
/// If the file cannot be read, is no regular file, or is larger than the limit.
pub fn read_regular(path: &Path, limit: u64) -> Result<Vec<u8>, PathError> {
    use rustix::fs::{Mode, OFlags};
    let refused = |reason: String| io::Error::new(io::ErrorKind::InvalidData, reason);
    // Without NONBLOCK, opening a pipe waits for a writer.
    let flags = OFlags::RDONLY | OFlags::NONBLOCK | OFlags::CLOEXEC | OFlags::NOCTTY;
    let file = rustix::fs::open(path, flags, Mode::empty()).map_err(io::Error::from).at(path)?;
    let file = File::from(file);
    if !file.metadata().at(path)?.is_file() {
        return Err(refused("it is no regular file".to_owned())).at(path);
    }
    let mut content = Vec::new();
    file.take(limit.saturating_add(1)).read_to_end(&mut content).at(path)?;
    if content.len() as u64 > limit {
        return Err(refused(format!("it is longer than {limit} bytes"))).at(path);
    }
    Ok(content)
}
