//! Environment variables: the reference lists those that the source names.

use std::collections::BTreeSet;
use std::path::Path;

use super::pages;

/// The only module that reads the environment, and files that tell it what to look for there.
const PLACES: [&str; 2] = ["src/cli", "src/openstack/config/places.rs"];

/// Words in capitals there that are no variables of this program.
const OTHERS: [&str; 12] = [
    "GOLDSMITH_ARCH",
    "GOLDSMITH_DISK",
    "GOLDSMITH_PACKAGE",
    "GOLDSMITH_SECRETS",
    "CARGO_PKG_VERSION",
    "ID_LIKE",
    "PRETTY_NAME",
    "VERSION_CODENAME",
    "VERSION_ID",
    "OS_TEST",
    "OS_STD",
    "OS_LOG",
];

/// The page that lists them.
const PAGE: &str = "docs/src/reference/environment.md";

fn collect(path: &Path, found: &mut BTreeSet<String>) {
    if path.is_dir() {
        let entries = std::fs::read_dir(path).expect("a directory can be read");
        entries.for_each(|entry| collect(&entry.expect("an entry can be read").path(), found));
        return;
    }
    let text = std::fs::read_to_string(path).expect("source can be read");
    let code = text.split("#[cfg(test)]").next().unwrap_or_default();
    let words = code.split('"').filter(|word| {
        let known = ["HOME", "LANG", "NETRC", "PATH", "TERM", "TRACEPARENT"].contains(word);
        let capitals = word.chars().all(|c| c.is_ascii_uppercase() || c.is_ascii_digit() || c == '_');
        known || capitals && word.contains('_') && word.len() > 4 && !word.ends_with('_')
    });
    found.extend(words.map(str::to_owned));
}

#[test]
fn every_variable_is_listed() {
    let mut named = BTreeSet::new();
    PLACES.iter().for_each(|place| collect(&pages::root().join(place), &mut named));
    OTHERS.iter().for_each(|other| {
        named.remove(*other);
    });
    let text = std::fs::read_to_string(pages::root().join(PAGE)).expect("the page is there");
    let listed: BTreeSet<String> = text
        .lines()
        .filter_map(|line| line.strip_prefix("| `")?.split(" | ").next().map(str::to_owned))
        .flat_map(|cell| cell.split(", ").map(|name| name.trim_matches('`').to_owned()).collect::<Vec<_>>())
        .collect();
    assert_eq!(listed, named);
}
