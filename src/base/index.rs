//! The names of packages in the indexes of repositories that earlier builds have left in the cache.

use std::borrow::Cow;
use std::collections::{BTreeMap, BTreeSet};
use std::fs::File;
use std::io::{self, Read};
use std::path::{Path, PathBuf};

use memchr::memmem;

use super::tool;
use crate::digest::Sha256;
use crate::distro::Tool;
use crate::plan::RepositoryPin;
use crate::recipe::Arch;
use crate::yaml::near;

/// First part of the names of directories with indexes. The digest of the pins follows.
const LISTS: &str = "lists-";

/// Bytes of an index that are searched at once. No line that counts is longer.
const PART: usize = 1 << 18;

/// Indexes of repositories in the cache.
#[derive(Debug, PartialEq, Eq)]
pub struct Indexes(Vec<PathBuf>);

impl Indexes {
    /// Returns those of the wanted packages that no repository has or provides, each with the most similar name. A wanted name may have a
    /// version or an architecture. If an index cannot be read, no package is missing for certain.
    pub fn lacking<'a>(&self, wanted: impl IntoIterator<Item = &'a str>) -> Vec<(&'a str, Option<String>)> {
        let plain = |name: &&str| name.chars().all(|c| c.is_ascii_alphanumeric() || "+-.".contains(c));
        let named = |package: &'a str| (package.split(['=', '/', ':']).next().unwrap_or(package), package);
        // Other signs are of patterns and tasks, which apt itself resolves.
        let mut missing: BTreeMap<_, _> = wanted.into_iter().map(named).filter(|(name, _)| plain(name)).collect();
        let mut names = BTreeSet::new();
        let read = self.each(&mut |name| {
            missing.remove(name);
        });
        if !read || missing.is_empty() {
            return Vec::new();
        }
        // The first letter of a name is seldom wrong, and there are many names.
        let first: BTreeSet<_> = missing.keys().filter_map(|name| name.get(..1)).collect();
        self.each(&mut |name| {
            if name.get(..1).is_some_and(|it| first.contains(it)) {
                names.insert(name.to_owned());
            }
        });
        let similar = |name: &str| {
            let first = name.get(..1)?;
            near(name, names.range(first.to_owned()..).take_while(|name| name.starts_with(first)))
        };
        missing.into_iter().map(|(name, package)| (package, similar(name))).collect()
    }

    /// Passes on every name of the indexes. Returns whether all could be read.
    fn each(&self, on_name: &mut dyn FnMut(&str)) -> bool {
        self.0.iter().all(|path| File::open(path).and_then(|index| names(index, on_name)).is_ok())
    }
}

/// Returns the name of the directory of a release's packages in the cache.
pub fn directory_name(distro: &str, release: &str, (tool, arch): (Tool, Arch)) -> String {
    format!("{distro}-{release}-{}", tool::arch_name(tool, arch))
}

/// Returns the directory of a release's packages in the cache.
pub(super) fn directory(cache: &Path, name: &str) -> PathBuf {
    cache.join("packages").join(name)
}

/// Returns the content of the file that says in the work directory which indexes are wanted.
pub(super) fn digests(repositories: &[RepositoryPin]) -> String {
    let mut digests: Vec<_> = repositories.iter().map(|pin| pin.sha256.to_string()).collect();
    digests.sort();
    digests.join("\n") + "\n"
}

/// Returns the indexes of repositories, if the cache has the indexes of just these pins. Only apt's indexes stay in the cache.
pub fn of(cache: &Path, name: &str, repositories: &[RepositoryPin]) -> Option<Indexes> {
    let digest = Sha256::of(digests(repositories).as_bytes()).to_string();
    find(&directory(cache, name).join(format!("{LISTS}{}", &digest[..16])))
}

/// Returns the newest indexes of a release in the cache.
pub fn newest(cache: &Path, name: &str) -> Option<Indexes> {
    let entries = std::fs::read_dir(directory(cache, name)).ok()?.flatten();
    let lists = entries.filter(|entry| entry.file_name().to_string_lossy().starts_with(LISTS));
    let newest = lists.max_by_key(|entry| entry.metadata().and_then(|about| about.modified()).ok())?;
    find(&newest.path())
}

/// Finds the indexes in a directory. Without any that can be read, nothing is known.
fn find(dir: &Path) -> Option<Indexes> {
    let mut found = Vec::new();
    for entry in std::fs::read_dir(dir).ok()?.flatten() {
        let file = entry.file_name().to_string_lossy().into_owned();
        if file.ends_with("_Packages") {
            found.push(entry.path());
        } else if file.contains("_Packages.") {
            // A packed index: what it has is not known, so no package is missing for certain.
            return None;
        }
    }
    (!found.is_empty()).then_some(Indexes(found))
}

/// Passes on the names of the packages of an index, and of what they provide. An index has a million lines, of which every twentieth
/// counts, so the file is searched in large parts instead of being read line by line.
fn names(mut index: impl Read, on_name: &mut dyn FnMut(&str)) -> io::Result<()> {
    // The text begins with the end of a line, as every line that is looked for follows one.
    let (mut part, mut used) = (vec![0; PART], 1);
    part[0] = b'\n';
    loop {
        let count = index.read(&mut part[used..])?;
        used += count;
        if count > 0 && used < part.len() {
            continue;
        }
        // A line that is longer than a part is none of a package.
        let last = part[..used].iter().rposition(|byte| *byte == b'\n');
        let end = if count == 0 { used } else { last.filter(|end| *end > 0).unwrap_or(used - 1) };
        for name in values(&part[..end], b"\nPackage: ") {
            on_name(name.trim());
        }
        for provided in values(&part[..end], b"\nProvides: ") {
            // Each may have a version in brackets.
            provided.split(',').filter_map(|one| one.split_whitespace().next()).for_each(&mut *on_name);
        }
        if count == 0 {
            return Ok(());
        }
        part.copy_within(end..used, 0);
        used -= end;
    }
}

/// Returns the values of a field in a part of an index.
fn values<'a>(part: &'a [u8], field: &'static [u8]) -> impl Iterator<Item = Cow<'a, str>> {
    memmem::find_iter(part, field).map(|at| {
        let value = &part[at + field.len()..];
        let end = memchr::memchr(b'\n', value).unwrap_or(value.len());
        String::from_utf8_lossy(&value[..end])
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_index_is_read_whole_however_it_arrives() {
        let line = "Description: x\n".repeat(PART / 30);
        let long = "y".repeat(2 * PART);
        let text = format!(
            "Package: a\nProvides: b, c (= 1)\n{line}\nPackage: d\n{line}X: {long}\nPackage: e\n{line}Package: f"
        );
        let expected = ["a", "b", "c", "d", "e", "f"].map(str::to_owned);
        struct Slow<'a>(&'a [u8], usize);
        impl Read for Slow<'_> {
            fn read(&mut self, into: &mut [u8]) -> std::io::Result<usize> {
                let count = self.1.min(into.len());
                self.0.read(&mut into[..count])
            }
        }
        for size in [7, 4096, usize::MAX] {
            let mut found = BTreeSet::new();
            let mut on_name = |name: &str| assert!(found.insert(name.to_owned()), "{name} comes twice");
            names(Slow(text.as_bytes(), size), &mut on_name).expect("readable");
            assert_eq!(found, BTreeSet::from(expected.clone()), "{size}");
        }
    }

    #[test]
    fn packages_and_what_they_provide_are_known() {
        let cache = tempfile::tempdir().expect("a directory");
        let pin = |content: &str| RepositoryPin {
            url: "http://h/debian".to_owned(),
            suite: "bookworm".to_owned(),
            components: Vec::new(),
            sha256: Sha256::of(content.as_bytes()),
            date: 0,
        };
        let pins = [pin("a"), pin("b")];
        let name = directory_name("debian", "bookworm", (Tool::Mmdebstrap, Arch::X86_64));
        assert_eq!(name, "debian-bookworm-amd64");
        assert_eq!(newest(cache.path(), &name), None);
        let digest = Sha256::of(digests(&pins).as_bytes()).to_string();
        let lists = directory(cache.path(), &name).join(format!("lists-{}", &digest[..16]));
        std::fs::create_dir_all(&lists).expect("a directory");
        let text = "Package: nginx\nVersion: 1\nProvides: httpd, web-server (= 1)\n\nPackage: vim\n";
        std::fs::write(lists.join("h_debian_main_binary-amd64_Packages"), text).expect("a file");
        for indexes in [of(cache.path(), &name, &pins), newest(cache.path(), &name)] {
            let indexes = indexes.expect("they are there");
            let known = ["nginx", "httpd", "web-server", "vim=1", "task^", "vim:amd64"];
            assert_eq!(indexes.lacking(known), []);
            let lacking = indexes.lacking(["vim", "ngnix=1", "quite-another"]);
            assert_eq!(lacking, [("ngnix=1", Some("nginx".to_owned())), ("quite-another", None)]);
        }
        assert_eq!(of(cache.path(), &name, &pins[..1]), None, "other pins, other packages");
        std::fs::write(lists.join("h_debian_contrib_Packages.lz4"), "x").expect("a file");
        assert_eq!(newest(cache.path(), &name), None, "a packed index may have it");
    }
}
