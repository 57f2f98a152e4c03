//! Trees of files, in memory.

use std::collections::BTreeMap;

use super::*;
use crate::guest::{Entry, FileKind};

/// A tree of files as a test writes them: a path with its content, `-> target` for a link, or with `/` at its end
/// for a directory. A mode may stand before the path: `4755 /usr/bin/su`.
pub(crate) fn tree(files: &[(&str, &str)]) -> Tree {
    let mut entries: BTreeMap<String, Entry> = BTreeMap::new();
    let mut contents = Vec::new();
    let entry = |path: &str, kind, mode, size: usize, target: Option<&str>| Entry {
        path: path.into(),
        kind,
        mode,
        uid: 0,
        gid: 0,
        size: size as u64,
        stored: size as u64,
        target: target.map(Into::into),
    };
    for (path, content) in files {
        let (mode, path) = match path.split_once(' ').filter(|_| !path.starts_with('/')) {
            Some((mode, path)) => (u32::from_str_radix(mode, 8).expect("a mode"), path),
            None => (if path.ends_with('/') { 0o755 } else { 0o644 }, *path),
        };
        let name = path.trim_end_matches('/');
        for (at, _) in name.match_indices('/') {
            let parent = if at == 0 { "/" } else { &name[..at] };
            let directory = || entry(parent, FileKind::Directory, 0o755, 0, None);
            entries.entry(parent.to_owned()).or_insert_with(directory);
        }
        let made = if path.ends_with('/') {
            entry(name, FileKind::Directory, mode, 0, None)
        } else if let Some(target) = content.strip_prefix("-> ") {
            entry(name, FileKind::Symlink, 0o777, 0, Some(target))
        } else {
            contents.push((name.to_owned(), content.as_bytes().to_vec()));
            entry(name, FileKind::File, mode, content.len(), None)
        };
        entries.insert(name.to_owned(), made);
    }
    Tree::new(entries.into_values().collect(), contents)
}

#[test]
fn links_are_followed_within_the_image() {
    let tree = tree(&[
        ("/usr/lib/os-release", "os"),
        ("/etc/os-release", "-> ../usr/lib/os-release"),
        ("/lib", "-> usr/lib"),
        ("/escape", "-> ../../../../etc"),
        ("/circle", "-> /circle"),
        ("/nowhere", "-> /none/at/all"),
        ("/etc/d/", ""),
    ]);
    assert_eq!(tree.text("/etc/os-release"), "os");
    assert_eq!(tree.bytes("/escape/os-release"), Ok(Some(&b"os"[..])));
    assert_eq!(tree.link("/lib"), Some("usr/lib"));
    assert_eq!(tree.find("/lib/os-release").map(|entry| &*entry.path), Some("/usr/lib/os-release"));
    assert_eq!(tree.bytes("/none"), Ok(None));
    assert_eq!(tree.bytes("/nowhere"), Err(Unread::Dangling));
    assert_eq!(tree.bytes("/circle"), Err(Unread::Dangling));
    assert_eq!(tree.bytes("/etc/d"), Err(Unread::NotAFile));
    assert_eq!(tree.bytes("/"), Err(Unread::NotAFile));
    assert!(tree.exists("/circle") && !tree.is_file("/circle") && tree.follow("/circle/x").is_none());
}

#[test]
fn globs_match_as_in_a_shell() {
    let tree = tree(&[
        ("/a/b", "1"),
        ("/a/bb", "2"),
        ("/a/.b", "3"),
        ("/a-x", "4"),
        ("/a/b.d/x.conf", "5"),
        ("/a/b.d/y/x.conf", "6"),
        ("/link", "-> a"),
    ]);
    for (pattern, expected) in [
        ("/a/b*", &["/a/b", "/a/b.d", "/a/bb"][..]),
        ("/a/.*", &["/a/.b"]),
        ("/a/*/x.conf", &["/a/b.d/x.conf"]),
        ("/a/**/x.conf", &["/a/b.d/x.conf", "/a/b.d/y/x.conf"]),
        ("/link/b?", &["/link/bb"]),
        ("/link/**/x.conf", &["/link/b.d/x.conf", "/link/b.d/y/x.conf"]),
        ("/*", &["/a", "/a-x", "/link"]),
        ("/a/[bc]", &["/a/b"]),
        ("/a/{b,bb,c}", &["/a/b", "/a/bb"]),
        ("/a{,-x,/b{b,.d/*.conf}}", &["/a", "/a-x", "/a/b.d/x.conf", "/a/bb"]),
        ("/a/{b", &[]),
        ("/a/b", &["/a/b"]),
        ("/a/b/*", &[]),
        ("/none/*", &[]),
        ("/a/[", &[]),
    ] {
        assert_eq!(tree.glob(pattern), expected, "{pattern}");
    }
    let names = |entries: Vec<&Entry>| entries.iter().map(|entry| entry.path.to_string()).collect::<Vec<_>>();
    assert_eq!(names(tree.children("/")), ["/a", "/a-x", "/link"]);
    assert_eq!(names(tree.children("/link/b.d")), ["/a/b.d/x.conf", "/a/b.d/y"]);
    assert_eq!(tree.below("/a/b.d").len(), 3);
    assert_eq!(tree.below("/").len(), 10);
}

#[test]
fn wanted_contents_are_read_up_to_a_limit() {
    let tree = tree(&[("/a", "12345"), ("/b", "-> a"), ("/c", "123"), ("/d/", "")]);
    let read = |pattern, limit| tree.contents_to_read(&[FileQuery { pattern, limit }]).len();
    assert_eq!((read("/*", 9), read("/*", 3), read("/b", 9), read("/none", 9)), (2, 1, 1, 0));
}

#[test]
fn many_files_are_no_trouble() {
    let files: Vec<_> = (0..300_000)
        .map(|number| Entry {
            path: format!("/d{}/f{number}", number % 700).into(),
            kind: FileKind::File,
            mode: 0o644,
            uid: 0,
            gid: 0,
            size: 1,
            stored: 0,
            target: None,
        })
        .collect();
    let tree = Tree::new(files, []);
    assert_eq!(tree.glob("/d7/f?????").len(), 128);
    assert_eq!(tree.below("/d7").len(), 429);
    // Deep ones neither.
    let mut files = tree.entries().to_vec();
    for number in 0..20_000 {
        let path = format!("/deep{}/f{number}.conf", "/d".repeat(2000));
        files.push(Entry { path: path.into(), ..files[0].clone() });
    }
    let tree = Tree::new(files, []);
    let started = std::time::Instant::now();
    assert!(tree.contents_to_read(&[FileQuery { pattern: "/**/*.conf", limit: 9 }]).is_empty());
    assert!(started.elapsed() < std::time::Duration::from_secs(30), "{:?}", started.elapsed());
}
