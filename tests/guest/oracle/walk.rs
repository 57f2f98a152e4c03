//! What is in a tree, seen by system calls of the host.

use std::collections::{BTreeMap, BTreeSet};
use std::os::unix::ffi::OsStrExt as _;
use std::os::unix::fs::MetadataExt as _;
use std::path::Path;

use goldsmith::digest::Sha256;
use goldsmith::text::escaped;

/// Facts of one file, by name.
pub(super) type Facts = BTreeMap<String, String>;

/// A tree: paths that begin with `/`, escaped as Goldsmith prints them.
pub(super) type Listing = BTreeMap<String, Facts>;

/// What belongs to a running system or to a file system.
const NOT_LISTED: [&str; 5] = ["dev", "proc", "run", "sys", "lost+found"];

/// Lists a tree. A time after `begin` is only `new`: each side did it when it did it.
pub(super) fn list(root: &Path, begin: i64) -> Listing {
    let (mut found, mut names) = (Vec::new(), BTreeMap::<u64, BTreeSet<String>>::new());
    let mut left = vec![root.to_owned()];
    while let Some(path) = left.pop() {
        let relative = path.strip_prefix(root).unwrap();
        let name = format!("/{}", escaped(relative.as_os_str().as_bytes()));
        if relative.parent() == Some(Path::new("")) && NOT_LISTED.iter().any(|not| relative == Path::new(not)) {
            continue;
        }
        let facts = std::fs::symlink_metadata(&path).unwrap();
        if facts.is_dir() {
            left.extend(std::fs::read_dir(&path).unwrap().map(|entry| entry.unwrap().path()));
        } else {
            names.entry(facts.ino()).or_default().insert(name.clone());
        }
        found.push((name, facts.ino(), described(&path, &facts, begin)));
    }
    for (name, number, facts) in &mut found {
        let others = names.get(number).into_iter().flatten().filter(|other| *other != name);
        let others: Vec<_> = others.map(String::as_str).collect();
        if !others.is_empty() {
            facts.insert("also named".to_owned(), others.join(", "));
        }
    }
    found.into_iter().map(|(name, _, facts)| (name, facts)).collect()
}

fn described(path: &Path, metadata: &std::fs::Metadata, begin: i64) -> Facts {
    let mut facts = Facts::new();
    let mut say = |name: &str, value: String| facts.insert(name.to_owned(), value);
    let mode = metadata.mode();
    let kind = match mode & 0o170_000 {
        0o040_000 => "directory",
        0o100_000 => "file",
        0o120_000 => "link",
        0o010_000 => "pipe",
        _ => "special",
    };
    say("kind", kind.to_owned());
    say("mode", format!("{:04o}", mode & 0o7777));
    say("owner", format!("{}:{}", metadata.uid(), metadata.gid()));
    let changed = metadata.mtime();
    say("time", if changed >= begin { "new".to_owned() } else { changed.to_string() });
    if kind == "link" {
        say("target", escaped(std::fs::read_link(path).unwrap().as_os_str().as_bytes()));
    }
    if kind == "file" {
        say("content", content(path, metadata.size()));
        if metadata.size() >= 64 << 10 {
            let holes = metadata.blocks() * 512 < metadata.size() / 2;
            say("holes", if holes { "yes" } else { "no" }.to_owned());
        }
    }
    if kind == "link" {
        return facts;
    }
    let mut buffer = vec![0; 64 << 10];
    let length = rustix::fs::llistxattr(path, &mut buffer[..]).unwrap();
    let listed = String::from_utf8_lossy(&buffer[..length]).into_owned();
    for name in listed.split_terminator('\0').filter(|name| *name != "security.selinux") {
        let mut value = vec![0; 64 << 10];
        let length = rustix::fs::lgetxattr(path, name, &mut value[..]).unwrap();
        say(name, hex::encode(&value[..length]));
    }
    facts
}

/// A short text as it is, of any other its digest.
fn content(path: &Path, size: u64) -> String {
    match String::from_utf8(std::fs::read(path).unwrap()) {
        Ok(text) if size < 300 => format!("{text:?}"),
        _ => format!("{size} bytes, {}", Sha256::of_file(path).unwrap()),
    }
}

/// The differences of two trees, one a line, without what is below `but`.
pub(super) fn differences(wanted: &Listing, made: &Listing, but: &BTreeSet<String>) -> Vec<(String, String)> {
    let all: BTreeSet<_> = wanted.keys().chain(made.keys()).collect();
    let inside = |path: &str| {
        but.iter()
            .any(|dir| path.strip_prefix(dir.as_str()).is_some_and(|rest| rest.is_empty() || rest.starts_with('/')))
    };
    let nothing = Facts::new();
    let mut found = Vec::new();
    for path in all.into_iter().filter(|path| !inside(path)) {
        let (left, right) = (wanted.get(path), made.get(path));
        let (left, right) = match (left, right) {
            (None, Some(right)) => {
                found.push((path.clone(), format!("{path} is there and should not be: {right:?}")));
                continue;
            }
            (Some(_), None) => {
                found.push((path.clone(), format!("{path} is not there")));
                continue;
            }
            (left, right) => (left.unwrap_or(&nothing), right.unwrap_or(&nothing)),
        };
        let keys: BTreeSet<_> = left.keys().chain(right.keys()).collect();
        for key in keys.into_iter().filter(|key| left.get(*key) != right.get(*key)) {
            // Whether a directory that was there gets the time of what is merged into it, nobody says.
            let merged =
                key == "time" && left["kind"] == "directory" && [left, right].iter().any(|it| it[key] == "new");
            if merged {
                continue;
            }
            let none = "none".to_owned();
            let (left, right) = (left.get(key).unwrap_or(&none), right.get(key).unwrap_or(&none));
            found.push((path.clone(), format!("{path}: {key} should be {left} and is {right}")));
        }
    }
    found
}

/// Takes over which files have holes: `BLOCKS SIZE PATH`, each with a NUL at its end.
pub(super) fn with_holes(listing: &mut Listing, printed: &[u8]) {
    for line in printed.split(|byte| *byte == 0).filter(|line| !line.is_empty()) {
        let mut words = line.splitn(3, |byte| *byte == b' ');
        let mut number = || String::from_utf8_lossy(words.next().unwrap()).parse::<u64>().unwrap();
        let (blocks, size) = (number(), number());
        let path = format!("/{}", escaped(words.next().unwrap()));
        let facts = listing.get_mut(&path).unwrap_or_else(|| panic!("{path} is not in the archive"));
        if facts.contains_key("holes") {
            facts.insert("holes".to_owned(), if blocks * 512 < size / 2 { "yes" } else { "no" }.to_owned());
        }
    }
}
