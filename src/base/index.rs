//! The names of packages in the indexes of repositories that earlier builds have left in the cache.

use std::collections::BTreeSet;
use std::fs::File;
use std::io::{BufRead as _, BufReader};
use std::path::{Path, PathBuf};

use super::tool;
use crate::digest::Sha256;
use crate::distro::Tool;
use crate::plan::RepositoryPin;
use crate::recipe::Arch;
use crate::yaml::near;

/// First part of the names of directories with indexes. The digest of the pins follows.
const LISTS: &str = "lists-";

/// Longest line of an index that is looked at.
const LINE: usize = 1 << 16;

/// The packages of repositories.
#[derive(Debug, Default, PartialEq, Eq)]
pub struct Names(BTreeSet<String>);

impl Names {
    /// Returns whether a repository has a package, or one that provides it. A name may have a version or an architecture.
    pub fn has(&self, package: &str) -> bool {
        let name = package.split(['=', '/', ':']).next().unwrap_or(package);
        // Other signs are of patterns and tasks, which apt itself resolves.
        let plain = name.chars().all(|c| c.is_ascii_alphanumeric() || "+-.".contains(c));
        !plain || self.0.contains(name)
    }

    /// Returns the most similar name.
    pub fn near(&self, package: &str) -> Option<String> {
        // The first letter of a name is seldom wrong, and there are many names.
        let first = package.get(..1)?;
        near(package, self.0.range(first.to_owned()..).take_while(|name| name.starts_with(first)))
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

/// Returns the packages of repositories, if the cache has the indexes of just these pins. Only apt's indexes stay in the cache.
pub fn of(cache: &Path, name: &str, repositories: &[RepositoryPin]) -> Option<Names> {
    let digest = Sha256::of(digests(repositories).as_bytes()).to_string();
    read(&directory(cache, name).join(format!("{LISTS}{}", &digest[..16])))
}

/// Returns the packages of the newest indexes of a release in the cache.
pub fn newest(cache: &Path, name: &str) -> Option<Names> {
    let entries = std::fs::read_dir(directory(cache, name)).ok()?.flatten();
    let lists = entries.filter(|entry| entry.file_name().to_string_lossy().starts_with(LISTS));
    let newest = lists.max_by_key(|entry| entry.metadata().and_then(|about| about.modified()).ok())?;
    read(&newest.path())
}

/// Reads the indexes in a directory. Without any that can be read, nothing is known.
fn read(dir: &Path) -> Option<Names> {
    let mut names = BTreeSet::new();
    for entry in std::fs::read_dir(dir).ok()?.flatten() {
        let file = entry.file_name().to_string_lossy().into_owned();
        if file.ends_with("_Packages") {
            collect(&entry.path(), &mut names)?;
        } else if file.contains("_Packages.") {
            // A packed index: what it has is not known, so no package is missing for certain.
            return None;
        }
    }
    (!names.is_empty()).then_some(Names(names))
}

/// Adds the packages of an index, and what they provide.
fn collect(path: &Path, names: &mut BTreeSet<String>) -> Option<()> {
    for line in BufReader::new(File::open(path).ok()?).split(b'\n') {
        let line = line.ok()?;
        if line.len() > LINE {
            continue;
        }
        if let Some(name) = line.strip_prefix(b"Package: ") {
            names.insert(String::from_utf8_lossy(name).trim().to_owned());
        } else if let Some(provided) = line.strip_prefix(b"Provides: ") {
            let provided = String::from_utf8_lossy(provided).into_owned();
            // Each may have a version in brackets.
            names.extend(provided.split(',').filter_map(|one| Some(one.split_whitespace().next()?.to_owned())));
        }
    }
    Some(())
}

#[cfg(test)]
mod tests {
    use super::*;

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
        for names in [of(cache.path(), &name, &pins), newest(cache.path(), &name)] {
            let names = names.expect("the index is there");
            for (package, known) in [
                ("nginx", true),
                ("httpd", true),
                ("web-server", true),
                ("vim=1", true),
                ("task^", true),
                ("ngnix", false),
            ] {
                assert_eq!(names.has(package), known, "{package}");
            }
            assert_eq!(names.near("ngnix").as_deref(), Some("nginx"));
        }
        assert_eq!(of(cache.path(), &name, &pins[..1]), None, "other pins, other packages");
        std::fs::write(lists.join("h_debian_contrib_Packages.lz4"), "x").expect("a file");
        assert_eq!(newest(cache.path(), &name), None, "a packed index may have it");
    }
}
