//! The type of the tree, and queries for the files whose content it has.

use std::collections::BTreeMap;
use std::ops::Range;

use globset::GlobMatcher;

use super::patterns::{PARTS_LIMIT, alternatives, matcher};
use crate::guest::{Entry, FileKind, Guest, GuestError};

/// Links that are followed before there must be a circle: as many as Linux follows, path_resolution(7).
const LINKS_LIMIT: usize = 40;

/// Most bytes of contents in a tree.
const CONTENTS_LIMIT: u64 = 768 << 20;

/// Most files whose contents are in a tree.
const COUNT_LIMIT: usize = 20_000;

/// Files that are wanted with their content.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct FileQuery<'a> {
    /// A path, or a pattern as [`Tree::glob`] takes it.
    pub pattern: &'a str,
    /// Longest content, in bytes.
    pub limit: u64,
}

/// Why a text is not there.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum Unread {
    /// A link leads nowhere.
    #[error("No such file or directory")]
    Dangling,
    /// It is a directory or the like.
    #[error("it is not a regular file")]
    NotAFile,
    /// It is longer than such files are, or could not be read.
    #[error("it could not be read, or is too long: {0} bytes")]
    NotRead(u64),
}

/// The files of an image.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Tree {
    /// Sorted by path, byte by byte.
    entries: Vec<Entry>,
    contents: BTreeMap<Box<str>, Vec<u8>>,
}

impl Tree {
    /// A tree of these files.
    pub fn new(entries: Vec<Entry>, contents: impl IntoIterator<Item = (String, Vec<u8>)>) -> Self {
        let mut entries = entries;
        entries.sort_unstable_by(|a, b| a.path.cmp(&b.path));
        entries.dedup_by(|a, b| a.path == b.path);
        let contents = contents.into_iter().map(|(path, content)| (path.into_boxed_str(), content)).collect();
        Self { entries, contents }
    }

    /// The files of what is mounted, and the contents of those that are wanted. `below` is as for [`Guest::list`].
    ///
    /// # Errors
    ///
    /// If the guest fails.
    pub fn load(guest: &mut dyn Guest, below: &[&str], wanted: &[FileQuery<'_>]) -> Result<Self, GuestError> {
        let mut tree = Self::new(guest.list(below)?, []);
        tree.read(guest, wanted)?;
        Ok(tree)
    }

    /// Reads contents of more files.
    ///
    /// # Errors
    ///
    /// If the guest fails.
    pub fn read(&mut self, guest: &mut dyn Guest, wanted: &[FileQuery<'_>]) -> Result<(), GuestError> {
        let found = self.contents_to_read(wanted);
        let contents = guest.contents(&found.iter().map(|at| &self.entries[*at]).collect::<Vec<_>>())?;
        self.contents.extend(contents.into_iter().map(|(path, content)| (path.into_boxed_str(), content)));
        Ok(())
    }

    /// Places of the files whose content is wanted: those that are wanted first, if there is no room for all.
    pub(super) fn contents_to_read(&self, wanted: &[FileQuery<'_>]) -> Vec<usize> {
        let (mut found, mut bytes) = (std::collections::BTreeSet::new(), 0_u64);
        for FileQuery { pattern, limit } in wanted {
            for path in self.glob(pattern) {
                let Some(at) = self.resolved(&path, true).and_then(|path| self.position(&path)) else { continue };
                let entry = &self.entries[at];
                let fits = entry.kind == FileKind::File
                    && entry.size <= *limit
                    && bytes.saturating_add(entry.size) <= CONTENTS_LIMIT
                    && found.len() < COUNT_LIMIT;
                if fits && found.insert(at) {
                    bytes += entry.size;
                }
            }
        }
        found.into_iter().collect()
    }

    /// All files, sorted by path.
    pub fn entries(&self) -> &[Entry] {
        &self.entries
    }

    /// What is at a path; links are followed on the way, but not at its end.
    pub fn find(&self, path: &str) -> Option<&Entry> {
        self.get(&self.resolved(path, false)?)
    }

    /// What a path leads to.
    pub fn follow(&self, path: &str) -> Option<&Entry> {
        self.get(&self.resolved(path, true)?)
    }

    /// Whether there is something at a path, be it a link that leads nowhere.
    pub fn exists(&self, path: &str) -> bool {
        self.find(path).is_some()
    }

    /// Whether a path leads to a regular file.
    pub fn is_file(&self, path: &str) -> bool {
        self.follow(path).is_some_and(|entry| entry.kind == FileKind::File)
    }

    /// Where a symbolic link leads, as it is written.
    pub fn link(&self, path: &str) -> Option<&str> {
        self.find(path)?.target.as_deref()
    }

    /// The content of a file that was wanted; `None` if there is nothing at the path.
    ///
    /// # Errors
    ///
    /// If there is something else than a file that was read.
    pub fn bytes(&self, path: &str) -> Result<Option<&[u8]>, Unread> {
        if self.find(path).is_none() {
            return Ok(None);
        }
        let entry = self.follow(path).ok_or(Unread::Dangling)?;
        match entry.kind {
            FileKind::File => {
                self.contents.get(&entry.path).map(|content| Some(&**content)).ok_or(Unread::NotRead(entry.size))
            }
            _ => Err(Unread::NotAFile),
        }
    }

    /// The content of a file as text; empty if there is none that was read.
    pub fn text(&self, path: &str) -> String {
        let bytes = self.bytes(path).ok().flatten().unwrap_or_default();
        String::from_utf8_lossy(bytes).into_owned()
    }

    /// What is in a directory, sorted; nothing if it is none.
    pub fn children(&self, directory: &str) -> Vec<&Entry> {
        match self.resolved(directory, true) {
            Some(directory) => self.children_of(&directory).collect(),
            None => Vec::new(),
        }
    }

    /// A directory's files, and those of all directories in it. Links are not followed.
    pub fn below(&self, directory: &str) -> &[Entry] {
        match self.resolved(directory, true) {
            Some(directory) => &self.entries[self.range(&directory)],
            None => &[],
        }
    }

    /// Paths that match a shell glob, sorted: `*`, `?` and `[...]` within a name, `{a,b}` anywhere, and `**` for any
    /// number of directories. As in a shell, what matches a leading dot must begin with one, and a path that leads to its end
    /// over links is told as it was asked for.
    pub fn glob(&self, pattern: &str) -> Vec<String> {
        let mut found: Vec<_> = alternatives(pattern).iter().flat_map(|pattern| self.matches(pattern)).collect();
        found.sort_unstable();
        found.dedup();
        found
    }

    /// Paths that match a glob without alternatives.
    fn matches(&self, pattern: &str) -> Vec<String> {
        let mut found = vec![String::new()];
        let parts: Vec<_> = pattern.split('/').filter(|part| !part.is_empty()).collect();
        for (number, part) in parts.iter().enumerate() {
            let last = number + 1 == parts.len();
            found = if *part == "**" {
                found.into_iter().flat_map(|directory| self.directories(directory)).collect()
            } else if part.contains(['*', '?', '[']) {
                // Whether there is anything to match is known sooner than a matcher is made.
                found.retain(|directory| !self.below(if directory.is_empty() { "/" } else { directory }).is_empty());
                if found.is_empty() {
                    return found;
                }
                let Some(matcher) = matcher(part) else { return Vec::new() };
                found.into_iter().flat_map(|directory| self.matching(&directory, part, &matcher)).collect()
            } else {
                let paths = found.into_iter().map(|directory| format!("{directory}/{part}"));
                if last { paths.filter(|path| self.exists(path)).collect() } else { paths.collect() }
            };
        }
        found
    }

    /// Paths of a directory's files whose name a part of a pattern matches.
    fn matching(&self, directory: &str, part: &str, matcher: &GlobMatcher) -> Vec<String> {
        let children = self.children(if directory.is_empty() { "/" } else { directory });
        let names = children.into_iter().map(|entry| super::super::paths::file_name(&entry.path));
        let shown = names.filter(|name| part.starts_with('.') || !name.starts_with('.'));
        shown.filter(|name| matcher.is_match(name)).map(|name| format!("{directory}/{name}")).collect()
    }

    /// A directory, and all directories in it but hidden ones.
    fn directories(&self, directory: String) -> Vec<String> {
        let Some(real) = self.resolved(if directory.is_empty() { "/" } else { &directory }, true) else {
            return Vec::new();
        };
        let skip = real.trim_end_matches('/').len();
        let within = self.entries[self.range(&real)].iter().filter(|entry| entry.kind == FileKind::Directory);
        let within = within.map(|entry| &entry.path[skip..]).filter(|rest| !rest.contains("/."));
        let mut found: Vec<_> = within.map(|rest| format!("{directory}{rest}")).collect();
        found.push(directory);
        found
    }

    /// The files of a directory whose path has no links in it.
    fn children_of<'a>(&'a self, directory: &str) -> impl Iterator<Item = &'a Entry> + use<'a> {
        let Range { start: mut at, end } = self.range(directory);
        let skip = directory.trim_end_matches('/').len() + 1;
        std::iter::from_fn(move || {
            while at < end {
                let entry = &self.entries[at];
                let Some(slash) = entry.path[skip..].find('/') else {
                    at += 1;
                    return Some(entry);
                };
                // Past all that begins with this directory's name and a slash: `0` is the character after it.
                let next = format!("{}0", &entry.path[..skip + slash]);
                at = self.entries.partition_point(|other| *other.path < *next);
            }
            None
        })
    }

    /// Where the files below a directory are, whose path has no links in it.
    fn range(&self, directory: &str) -> Range<usize> {
        let directory = directory.trim_end_matches('/');
        let (first, behind) = (format!("{directory}/"), format!("{directory}0"));
        // The root is itself the first.
        let start = self.entries.partition_point(|entry| *entry.path < *first || *entry.path == *"/");
        start..self.entries.partition_point(|entry| *entry.path < *behind).max(start)
    }

    fn position(&self, path: &str) -> Option<usize> {
        self.entries.binary_search_by(|entry| (*entry.path).cmp(path)).ok()
    }

    fn get(&self, path: &str) -> Option<&Entry> {
        self.position(path).map(|at| &self.entries[at])
    }

    /// A path without links, at its end too if `last`. `None` if they lead in a circle, or it is too deep. It never leaves the
    /// image.
    pub(in crate::inspect) fn resolved(&self, path: &str, last: bool) -> Option<String> {
        let mut done = String::new();
        let mut rest: Vec<&str> = path.split('/').rev().filter(|part| !matches!(*part, "" | ".")).collect();
        if rest.len() > PARTS_LIMIT {
            return None;
        }
        let mut links = 0;
        while let Some(part) = rest.pop() {
            if part == ".." {
                done.truncate(done.rfind('/').unwrap_or(0));
                continue;
            }
            let next = format!("{done}/{part}");
            let target = self.get(&next).and_then(|entry| entry.target.as_deref());
            match target.filter(|_| last || !rest.is_empty()) {
                Some(target) => {
                    links += 1;
                    if links > LINKS_LIMIT {
                        return None;
                    }
                    if target.starts_with('/') {
                        done.clear();
                    }
                    rest.extend(target.split('/').rev().filter(|part| !matches!(*part, "" | ".")));
                    if rest.len() > PARTS_LIMIT {
                        return None;
                    }
                }
                None => done = next,
            }
        }
        Some(if done.is_empty() { "/".to_owned() } else { done })
    }
}
