//! New files: none replaces a file that is there.

use std::io::Write as _;
use std::path::{Path, PathBuf};

use crate::cli::failure::{Failure, FailureKind};
use crate::cli::hints;
use crate::fsx::{Access, IoContext as _, NewFile};

/// A file to write.
#[derive(Debug)]
pub(super) struct Planned {
    /// Path from the project's directory.
    pub(super) path: PathBuf,
    pub(super) text: String,
    /// Whether the file of somebody else does as well: then it stays, and the rest is written.
    pub(super) shared: bool,
}

impl Planned {
    /// Makes a file that must be new.
    pub(super) fn new(path: impl Into<PathBuf>, text: impl Into<String>) -> Self {
        Self { path: path.into(), text: text.into(), shared: false }
    }

    /// Makes a file of which one that is there is kept.
    pub(super) fn shared(path: impl Into<PathBuf>, text: impl Into<String>) -> Self {
        Self { shared: true, ..Self::new(path, text) }
    }
}

/// Writes all files, or none: a file that must be new and is there is an error before anything is written. Returns the paths that were
/// written and those that were kept.
pub(super) fn write(dir: &Path, files: &[Planned]) -> Result<(Vec<PathBuf>, Vec<PathBuf>), Failure> {
    let there = |path: &Path| path.symlink_metadata().is_ok();
    let taken: Vec<String> = files
        .iter()
        .filter(|file| !file.shared && there(&dir.join(&file.path)))
        .map(|file| dir.join(&file.path).display().to_string())
        .collect();
    if !taken.is_empty() {
        let message = format!("{} is there already, and nothing was written", taken.join(", "));
        return Err(Failure::of(FailureKind::Usage, message)
            .hint("name another directory, or give another name by --name or --element"));
    }
    let (mut written, mut kept) = (Vec::new(), Vec::new());
    for file in files {
        let path = dir.join(&file.path);
        if there(&path) {
            kept.push(path);
            continue;
        }
        let parent = path.parent().unwrap_or(dir);
        let done = std::fs::create_dir_all(parent).at(parent).and_then(|()| {
            let new = NewFile::create(&path, Access::Umask)?;
            new.file().write_all(file.text.as_bytes()).at(&path)?;
            new.persist_new()
        });
        done.map_err(|error| hints::file(&error))?;
        written.push(path);
    }
    Ok((written, kept))
}
