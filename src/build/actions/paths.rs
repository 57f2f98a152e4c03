//! Finds the place in the image where an action reads or changes something, and makes missing directories on the way.

use super::error::ForAction as _;
use super::{ActionError, Executor};
use crate::guest::FileKind;
use crate::guest::place::{Found, Last, find};

impl Executor<'_> {
    /// Where something is to be put: the path with the links of its directories followed, which are made where they are
    /// missing. A link at its end is what is replaced.
    pub(super) fn place(&mut self, label: &str, path: &str) -> Result<String, ActionError> {
        match find(self.guest, path, Last::Kept).for_action(label)? {
            Found::There { path, .. } => Ok(path),
            Found::Missing { path } => {
                if let Some((parent, _)) = path.rsplit_once('/').filter(|(parent, _)| !parent.is_empty()) {
                    self.guest.mkdir(parent).for_action(label)?;
                }
                Ok(path)
            }
            Found::Nowhere(message) => Err(unfit(label, message)),
        }
    }

    /// Where a directory is, at the end of the links that lead to it. It is made with its parents if it is missing.
    pub(super) fn directory(&mut self, label: &str, path: &str) -> Result<String, ActionError> {
        match find(self.guest, path, Last::Followed).for_action(label)? {
            Found::There { path, kind: FileKind::Directory } => Ok(path),
            Found::There { path, .. } => Err(unfit(label, format!("`{path}` is not a directory"))),
            Found::Missing { path } => {
                self.guest.mkdir(&path).for_action(label)?;
                Ok(path)
            }
            Found::Nowhere(message) => Err(unfit(label, message)),
        }
    }

    /// Where a directory is, or will be, into which something is unpacked: that makes it if it is missing.
    pub(super) fn merged(&mut self, label: &str, path: &str) -> Result<String, ActionError> {
        match self.target(label, path)? {
            (path, None | Some(FileKind::Directory)) => Ok(path),
            (path, Some(_)) => Err(unfit(label, format!("`{path}` is not a directory"))),
        }
    }

    /// Where something is that has to be there to be of interest, a link at its end for itself; `None` if it is not.
    pub(super) fn entry(&mut self, label: &str, path: &str) -> Result<Option<String>, ActionError> {
        match find(self.guest, path, Last::Kept).for_action(label)? {
            Found::There { path, .. } => Ok(Some(path)),
            Found::Missing { .. } | Found::Nowhere(_) => Ok(None),
        }
    }

    /// Where a file is that is read or changed in its place, at the end of the links that lead to it, and what is there;
    /// nothing, if it is to be made.
    pub(super) fn target(&mut self, label: &str, path: &str) -> Result<(String, Option<FileKind>), ActionError> {
        match find(self.guest, path, Last::Followed).for_action(label)? {
            Found::There { path, kind } => Ok((path, Some(kind))),
            Found::Missing { path } => Ok((path, None)),
            Found::Nowhere(message) => Err(unfit(label, message)),
        }
    }

    /// Where a file is whose content is to be another one, at the end of the links that lead to it. It may be missing there.
    pub(super) fn file(&mut self, label: &str, path: &str) -> Result<String, ActionError> {
        match find(self.guest, path, Last::Made).for_action(label)? {
            Found::There { path, .. } | Found::Missing { path } => Ok(path),
            Found::Nowhere(message) => Err(unfit(label, message)),
        }
    }

    pub(super) fn exists(&mut self, label: &str, path: &str) -> Result<bool, ActionError> {
        Ok(self.entry(label, path)?.is_some())
    }
}

fn unfit(label: &str, message: String) -> ActionError {
    ActionError::Unfit { action: label.to_owned(), message }
}
