//! Comparison of the files of two images.

use std::cmp::Ordering;
use std::io;
use std::os::unix::fs::FileExt as _;
use std::path::Path;

use globset::{GlobBuilder, GlobSet, GlobSetBuilder};
use serde_json::{Map, Value, json};

use super::change::change;
use super::content::{TEXT_LIMIT, unified};
use super::{Change, File, Files, How};
use crate::text::escaped;

/// Paths that are not compared.
#[derive(Debug, Clone, Default)]
pub struct Ignored(GlobSet);

impl Ignored {
    /// Reads shell globs of absolute paths. `*` matches within a name, `**` any number of directories. A directory includes all
    /// that is in it.
    ///
    /// # Errors
    ///
    /// A sentence about the first invalid pattern.
    pub fn new(patterns: &[String]) -> Result<Self, String> {
        let mut set = GlobSetBuilder::new();
        for pattern in patterns {
            if !pattern.starts_with('/') && !pattern.starts_with("**/") {
                return Err(format!("`{pattern}` matches no path: it must begin with `/` or `**/`"));
            }
            let trimmed = pattern.trim_end_matches('/');
            let glob = GlobBuilder::new(trimmed).literal_separator(true).backslash_escape(true).build();
            set.add(glob.map_err(|error| error.to_string())?);
        }
        set.build().map(Self).map_err(|error| error.to_string())
    }

    fn contains(&self, path: &[u8]) -> bool {
        use std::os::unix::ffi::OsStrExt as _;
        let path = Path::new(std::ffi::OsStr::from_bytes(path));
        !self.0.is_empty() && path.ancestors().any(|path| self.0.is_match(path))
    }
}

/// A file that was added, removed or changed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct FileChange<'a> {
    /// The file in the first image.
    pub before: Option<&'a File>,
    /// The file in the second image.
    pub after: Option<&'a File>,
}

/// Compares the files of two images, except ignored ones. The result is sorted by path.
pub(super) fn compare<'a>(before: &'a Files, after: &'a Files, ignored: &Ignored) -> Vec<FileChange<'a>> {
    let (mut old, mut new) = (before.0.iter().peekable(), after.0.iter().peekable());
    let mut changes = Vec::new();
    loop {
        let order = match (old.peek(), new.peek()) {
            (None, None) => return changes,
            (Some(_), None) => Ordering::Less,
            (None, Some(_)) => Ordering::Greater,
            (Some(a), Some(b)) => a.path.cmp(&b.path),
        };
        let before = if order.is_le() { old.next() } else { None };
        let after = if order.is_ge() { new.next() } else { None };
        let found = FileChange { before, after };
        if !before.zip(after).is_some_and(|(a, b)| is_same(a, b)) && !ignored.contains(found.path()) {
            changes.push(found);
        }
    }
}

fn is_same(a: &File, b: &File) -> bool {
    // Their offsets in the archives do not count.
    a.kind == b.kind
        && (a.mode, a.uid, a.gid, a.size) == (b.mode, b.uid, b.gid, b.size)
        && (a.sha256, a.device) == (b.sha256, b.device)
        && (&a.target, &a.attributes) == (&b.target, &b.attributes)
}

impl<'a> FileChange<'a> {
    /// Returns the path of the file.
    pub fn path(&self) -> &'a [u8] {
        self.before.or(self.after).map_or(b"", |file| &file.path)
    }

    /// Returns the kind of the change.
    pub fn how(&self) -> How {
        How::of(self.before.as_ref(), self.after.as_ref())
    }

    /// Returns the change with all its properties. Bytes that are no text are escaped.
    pub fn detailed(&self) -> Change {
        let (before, after) = (self.before.map(properties), self.after.map(properties));
        let path = escaped(self.path());
        let name = path.clone();
        change(&path, before.as_ref(), after.as_ref()).unwrap_or(Change { name, before, after })
    }

    /// Returns the changed lines, in the unified format without file names, if the file is a text in both images and no longer
    /// than 256 KiB. `before` and `after` are the archives of both lists of files.
    ///
    /// # Errors
    ///
    /// If an archive cannot be read.
    pub fn content(&self, before: &std::fs::File, after: &std::fs::File) -> io::Result<Option<String>> {
        let Some((old, new)) = self.before.zip(self.after) else { return Ok(None) };
        if old.sha256.is_none() || new.sha256.is_none() || old.sha256 == new.sha256 {
            return Ok(None);
        }
        if old.size.max(new.size) > TEXT_LIMIT {
            return Ok(None);
        }
        Ok(unified(&bytes_of(old, before)?, &bytes_of(new, after)?))
    }
}

fn bytes_of(file: &File, archive: &std::fs::File) -> io::Result<Vec<u8>> {
    let mut bytes = vec![0; usize::try_from(file.size).map_err(io::Error::other)?];
    archive.read_exact_at(&mut bytes, file.offset)?;
    Ok(bytes)
}

/// Returns the properties of a file that are compared, as `goldsmith diff --json` names them.
fn properties(file: &File) -> Map<String, Value> {
    let mut map = Map::new();
    let mut put = |key: &str, value: Value| drop(map.insert(key.to_owned(), value));
    put("kind", json!(file.kind));
    put("mode", json!(format!("{:04o}", file.mode)));
    put("owner", json!(format!("{}:{}", file.uid, file.gid)));
    if let Some(sha256) = &file.sha256 {
        put("size", json!(file.size));
        put("sha256", json!(sha256));
    }
    if let Some(target) = &file.target {
        put("target", json!(escaped(target)));
    }
    if let Some((major, minor)) = file.device {
        put("device", json!(format!("{major}:{minor}")));
    }
    for (name, value) in &file.attributes {
        put(&format!("attribute {}", escaped(name)), json!(escaped(value)));
    }
    map
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::collections::BTreeMap;

    use crate::diff::Kind;
    use crate::digest::Sha256;

    fn file(path: &str, content: &str) -> File {
        File {
            path: path.as_bytes().into(),
            kind: Kind::File,
            mode: 0o644,
            uid: 0,
            gid: 0,
            size: content.len() as u64,
            target: None,
            device: None,
            sha256: Some(Sha256::of(content.as_bytes())),
            attributes: BTreeMap::new(),
            offset: 0,
        }
    }

    fn link(path: &str, target: &str) -> File {
        let target = Some(target.as_bytes().into());
        File { kind: Kind::Symlink, size: 0, sha256: None, target, mode: 0o777, ..file(path, "") }
    }

    fn found(before: Vec<File>, after: Vec<File>, ignored: &[&str]) -> Vec<(String, How)> {
        let ignored: Vec<_> = ignored.iter().map(|pattern| (*pattern).to_owned()).collect();
        let ignored = Ignored::new(&ignored).expect("globs");
        let (before, after) = (before.into_iter().collect(), after.into_iter().collect());
        compare(&before, &after, &ignored).iter().map(|change| (escaped(change.path()), change.how())).collect()
    }

    #[test]
    fn every_property_counts_and_the_place_in_the_archive_does_not() {
        let plain = file("/x", "text");
        assert_eq!(found(vec![plain.clone()], vec![File { offset: 9, ..plain.clone() }], &[]), []);
        let attributes = BTreeMap::from([(b"user.x".to_vec(), b"\0".to_vec())]);
        for (other, properties) in [
            (file("/x", "tixt"), &["sha256"][..]),
            (file("/x", "texts"), &["size", "sha256"]),
            (File { mode: 0o4755, ..plain.clone() }, &["mode"]),
            (File { uid: 1, ..plain.clone() }, &["owner"]),
            (File { gid: 1, ..plain.clone() }, &["owner"]),
            (File { attributes, ..plain.clone() }, &["attribute user.x"]),
            (link("/x", "y"), &["kind", "mode", "size", "sha256", "target"]),
        ] {
            let (before, after) = ([plain.clone()].into_iter().collect(), [other].into_iter().collect());
            let changes = compare(&before, &after, &Ignored::default());
            let details = changes[0].detailed();
            assert_eq!((changes.len(), changes[0].how()), (1, How::Changed));
            for side in [details.before, details.after] {
                let keys: Vec<_> = side.iter().flatten().map(|(key, _)| key.clone()).collect();
                assert_eq!(keys, properties);
            }
        }
        assert_eq!(found(vec![link("/x", "a")], vec![link("/x", "b")], &[]), [("/x".to_owned(), How::Changed)]);
        let null = File { kind: Kind::CharacterDevice, device: Some((1, 3)), sha256: None, ..plain };
        let zero = File { device: Some((1, 5)), ..null.clone() };
        assert_eq!(found(vec![null], vec![zero], &[]), [("/x".to_owned(), How::Changed)]);
    }

    #[test]
    fn files_are_matched_by_their_whole_path() {
        let before = vec![file("/a", ""), file("/b", ""), file("/b/c", ""), file("/d", "")];
        let after = vec![file("/b", ""), file("/b/d", ""), file("/d", "new"), file("/e", "")];
        let expected = [
            ("/a", How::Removed),
            ("/b/c", How::Removed),
            ("/b/d", How::Added),
            ("/d", How::Changed),
            ("/e", How::Added),
        ];
        assert_eq!(found(before, after, &[]), expected.map(|(path, how)| (path.to_owned(), how)));
    }

    #[test]
    fn ignored_directories_are_ignored_with_all_in_them() {
        let paths = ["/etc/motd", "/var/log/x", "/var/log/apt/term.log", "/var/logs", "/srv/a.pyc", "/srv/b/c.pyc"];
        let files = || paths.iter().map(|path| file(path, "")).collect::<Vec<_>>();
        let left = |patterns: &[&str]| found(files(), Vec::new(), patterns).into_iter().map(|(path, _)| path).collect();
        let cases: [(&[&str], &[&str]); 5] = [
            (&["/var/log"], &["/etc/motd", "/srv/a.pyc", "/srv/b/c.pyc", "/var/logs"]),
            (&["/var/log/*"], &["/etc/motd", "/srv/a.pyc", "/srv/b/c.pyc", "/var/logs"]),
            (&["/var/log*/"], &["/etc/motd", "/srv/a.pyc", "/srv/b/c.pyc"]),
            (&["/srv/*.pyc", "/var"], &["/etc/motd", "/srv/b/c.pyc"]),
            (&["**/*.pyc", "/var", "/etc/mot[cd]"], &[]),
        ];
        for (patterns, expected) in cases {
            let left: Vec<String> = left(patterns);
            assert_eq!(left, expected, "{patterns:?}");
        }
        for pattern in ["var/log", "", "/a[", "/{a"] {
            assert!(Ignored::new(&[pattern.to_owned()]).is_err(), "{pattern}");
        }
    }

    #[test]
    fn texts_are_compared_by_their_lines() {
        let archive = |content: &str| {
            let mut file = tempfile::tempfile().expect("a temporary file");
            io::Write::write_all(&mut file, format!("....{content}").as_bytes()).expect("written");
            file
        };
        let entry = |content: &str| File { offset: 4, ..file("/x", content) };
        let lines = |before: &str, after: &str| {
            let (old, new) = (entry(before), entry(after));
            let change = FileChange { before: Some(&old), after: Some(&new) };
            change.content(&archive(before), &archive(after)).expect("readable")
        };
        assert_eq!(lines("a\n", "b\n").as_deref(), Some("@@ -1 +1 @@\n-a\n+b\n"));
        assert_eq!(lines("a\n", "a\n"), None);
        assert_eq!(lines("a\n", "\0"), None);
        assert_eq!(lines("a\n", &"long\n".repeat(60_000)), None);
        let old = entry("a");
        let added = FileChange { before: None, after: Some(&old) };
        assert_eq!(added.content(&archive(""), &archive("a")).expect("nothing to read"), None);
    }
}
