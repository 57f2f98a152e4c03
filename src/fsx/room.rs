//! Free space of file systems, and the space that files occupy.

use std::fs::Metadata;
use std::io::{self};
use std::os::unix::fs::MetadataExt as _;
use std::path::Path;

use super::error::IoContext as _;
use super::error::PathError;

/// Returns how many bytes an unprivileged user may still write to the file system of an existing path.
pub fn available_bytes(path: &Path) -> Result<u64, PathError> {
    let stat = rustix::fs::statvfs(path).map_err(io::Error::from).at(path)?;
    Ok(stat.f_bavail.saturating_mul(stat.f_frsize))
}

/// Returns how many bytes may be written to a file system. It reserves a thirty-second part for others, at most 256 MiB.
pub fn room(path: &Path) -> Result<u64, PathError> {
    let stat = rustix::fs::statvfs(path).map_err(io::Error::from).at(path)?;
    let all = stat.f_blocks.saturating_mul(stat.f_frsize);
    Ok(stat.f_bavail.saturating_mul(stat.f_frsize).saturating_sub((all / 32).min(256 << 20)))
}

/// Returns how many bytes a file occupies: less than its size if it has holes.
pub fn allocated_bytes(metadata: &Metadata) -> u64 {
    metadata.blocks().saturating_mul(512)
}

#[cfg(test)]
mod tests {
    use std::fs::File;

    use super::*;

    #[test]
    fn a_hole_occupies_nothing() -> Result<(), PathError> {
        let scratch = tempfile::tempdir().expect("a temporary directory");
        let path = scratch.path().join("sparse");
        let file = File::create(&path).at(&path)?;
        file.set_len(1 << 30).at(&path)?;
        assert!(allocated_bytes(&file.metadata().at(&path)?) < 1 << 20);
        Ok(())
    }
}
