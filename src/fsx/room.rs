//! Free space of file systems, and the space that files occupy.

use std::collections::HashSet;
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

/// Returns how many bytes a directory occupies with everything below it, as `du` counts: a file with several names once. What
/// vanishes meanwhile does not count.
pub fn allocated_below(dir: &Path) -> Result<u64, PathError> {
    let mut seen = HashSet::new();
    let mut bytes = 0;
    let mut left = vec![dir.to_owned()];
    while let Some(path) = left.pop() {
        let found = path.symlink_metadata().and_then(|about| {
            let entries =
                if about.is_dir() { std::fs::read_dir(&path)?.collect::<io::Result<Vec<_>>>()? } else { Vec::new() };
            Ok((about, entries))
        });
        let (about, entries) = match found {
            Err(error) if error.kind() == io::ErrorKind::NotFound => continue,
            found => found.at(&path)?,
        };
        if seen.insert((about.dev(), about.ino())) {
            bytes += allocated_bytes(&about);
        }
        left.extend(entries.into_iter().map(|entry| entry.path()));
    }
    Ok(bytes)
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

    #[test]
    fn a_directory_occupies_what_du_says() {
        let dir = tempfile::tempdir().expect("a directory");
        std::fs::create_dir(dir.path().join("sub")).expect("a directory");
        std::fs::write(dir.path().join("sub/a"), vec![1; 300_000]).expect("a file");
        std::fs::hard_link(dir.path().join("sub/a"), dir.path().join("b")).expect("a second name");
        std::os::unix::fs::symlink("/usr", dir.path().join("link")).expect("a link");
        File::create(dir.path().join("hole")).and_then(|file| file.set_len(1 << 30)).expect("a file");
        let mut du = std::process::Command::new("du");
        let said = crate::process::capture(du.args(["-s", "-B1"]).arg(dir.path())).expect("du");
        let found = allocated_below(dir.path()).expect("a number");
        assert_eq!(said.split_whitespace().next(), Some(found.to_string().as_str()));
    }
}
