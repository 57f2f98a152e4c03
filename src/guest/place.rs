//! Finds the targets of paths in an image, with links resolved within the image's own root.
//!
//! An absolute target begins at the image's root, and `..` never leads above it. All actions resolve their paths here, so that
//! `/lib/x` means the same to each of them if `/lib` is a link to `usr/lib`.

use super::{FileKind, Guest, GuestError};

/// Largest number of links in one path; Linux has the same limit (path_resolution(7)).
const MOST_LINKS: usize = 40;

/// The treatment of a link at the end of a path.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Last {
    /// The link itself.
    Kept,
    /// The target of the link.
    Followed,
    /// The target of the link, which may be missing if its directory exists, like open(2) with `O_CREAT`.
    Made,
}

/// The result for a path. No directory in the resulting path is a link.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Found {
    /// The path exists.
    There {
        /// The resolved path.
        path: String,
        /// The kind of the file.
        kind: FileKind,
    },
    /// The path does not exist, and directories above it may be missing too.
    Missing {
        /// The resolved path.
        path: String,
    },
    /// The path does not exist, and nothing can be created there: it leads through a link without a target, or through a file
    /// that is no directory. The text names it.
    Nowhere(String),
}

/// A link that is being followed: its path, its target, and the number of path parts after it.
struct Followed {
    link: String,
    target: String,
    rest: usize,
}

/// The directories of a path without links that are not there, the uppermost first.
pub(super) fn missing<'a>(guest: &mut dyn Guest, path: &'a str) -> Result<Vec<&'a str>, GuestError> {
    let (mut missing, mut above) = (Vec::new(), path.trim_end_matches('/'));
    while !above.is_empty() && guest.kind(above)?.is_none() {
        missing.insert(0, above);
        above = above.rsplit_once('/').map_or("", |(parent, _)| parent);
    }
    Ok(missing)
}

/// Resolves an absolute path. A cycle of links is an error.
pub fn find(guest: &mut dyn Guest, path: &str, last: Last) -> Result<Found, GuestError> {
    let mut rest: Vec<String> = path.split('/').rev().map(str::to_owned).collect();
    let mut followed: Vec<Followed> = Vec::new();
    let (mut done, mut kind, mut links, mut missing) = (String::new(), FileKind::Directory, 0, false);
    while let Some(part) = rest.pop() {
        followed.retain(|one| rest.len() >= one.rest);
        match part.as_str() {
            "" | "." => continue,
            ".." if !missing => {
                done.truncate(done.rfind('/').unwrap_or(0));
                kind = FileKind::Directory;
                continue;
            }
            _ => {}
        }
        let next = format!("{done}/{part}");
        let is_last = rest.iter().all(String::is_empty);
        if !missing {
            match guest.kind(&next)? {
                None => {
                    if let Some(Followed { link, target, .. }) = followed.first()
                        && !(is_last && last == Last::Made)
                    {
                        return Ok(Found::Nowhere(format!("`{link}` is a link to `{target}`, which is not there")));
                    }
                    missing = true;
                }
                Some(FileKind::Symlink) if !is_last || last != Last::Kept => {
                    let target = guest.read_link(&next)?.unwrap_or_default();
                    links += 1;
                    if links > MOST_LINKS {
                        let link = followed.first().map_or(next, |first| first.link.clone());
                        let message = format!("the links from `{link}` on lead in a circle");
                        return Err(GuestError::Call { call: format!("find {path}"), message });
                    }
                    followed.push(Followed { link: next, target: target.clone(), rest: rest.len() });
                    if target.starts_with('/') {
                        done.clear();
                    }
                    rest.extend(target.split('/').rev().map(str::to_owned));
                    continue;
                }
                Some(FileKind::File | FileKind::Special) if !is_last => {
                    return Ok(Found::Nowhere(format!("`{next}` is not a directory")));
                }
                Some(found) => kind = found,
            }
        }
        done = next;
    }
    if done.is_empty() {
        done.push('/');
    }
    Ok(if missing { Found::Missing { path: done } } else { Found::There { path: done, kind } })
}
