//! Gives inspection the files of an image. A file may be missing or have any content, and what is wrong with it becomes a note.

use super::tree::Tree;
use crate::guest::GuestError;

/// Longest configuration file that is read, in bytes.
pub const TEXT_LIMIT: u64 = 4 << 20;

/// The files of an image, with notes about files that could not be used.
pub(super) struct Image<'a> {
    pub(super) tree: &'a Tree,
    pub(super) notes: Vec<String>,
}

impl Image<'_> {
    /// Returns a text file; `None` if it is missing.
    pub(super) fn text(&mut self, path: &str) -> Option<String> {
        match self.tree.bytes(path) {
            Ok(content) => content.map(|content| String::from_utf8_lossy(content).into_owned()),
            Err(reason) => {
                self.notes.push(format!("read {path}: {reason}"));
                None
            }
        }
    }

    /// Returns the text files that match patterns, with their paths, sorted within each pattern.
    pub(super) fn texts(&mut self, patterns: &[&str]) -> Vec<(String, String)> {
        let paths = patterns.iter().flat_map(|pattern| self.tree.glob(pattern)).collect::<Vec<_>>();
        paths.into_iter().filter_map(|path| self.text(&path).map(|text| (path, text))).collect()
    }
}

/// Returns the result of a call. An error that the image caused becomes a note.
pub(super) fn noted<T>(notes: &mut Vec<String>, result: Result<T, GuestError>) -> Result<Option<T>, GuestError> {
    match result {
        Ok(value) => Ok(Some(value)),
        Err(error @ GuestError::Call { .. }) => {
            notes.push(error.to_string());
            Ok(None)
        }
        Err(error) => Err(error),
    }
}
