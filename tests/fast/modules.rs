//! Modules use each other only as the table in `lib.rs` says.

mod circles;
mod layout;

use std::collections::{BTreeMap, BTreeSet};
use std::path::Path;

/// Modules by the line of the table they are in.
fn lines() -> BTreeMap<String, usize> {
    let table = include_str!("../../src/lib.rs").lines().filter(|line| line.starts_with("//! | [`"));
    let mut lines = BTreeMap::new();
    for (number, line) in table.enumerate() {
        let cell = line.split('|').nth(1).expect("a first cell");
        for name in cell.split('`').skip(1).step_by(2) {
            assert_eq!(lines.insert(name.to_owned(), number), None, "{name} is there twice");
        }
    }
    lines
}

/// Code below a path, without comments.
fn code(path: &Path) -> String {
    if path.is_dir() {
        let entries = std::fs::read_dir(path).expect("a directory").map(|entry| entry.expect("an entry").path());
        return entries.map(|path| code(&path)).collect();
    }
    let text = std::fs::read_to_string(path).expect("source");
    text.lines().filter(|line| !line.trim_start().starts_with("//")).flat_map(|line| [line, "\n"]).collect()
}

/// Modules that a module's code names.
fn used(module: &str) -> BTreeSet<String> {
    let places = [format!("src/{module}.rs"), format!("src/{module}")];
    let code: String = places.iter().map(Path::new).filter(|path| path.exists()).map(code).collect();
    assert!(!code.contains("crate::{"), "{module}: name modules one by one");
    let after = code.split("crate::").skip(1);
    after.map(|rest| rest.split(|c: char| !c.is_ascii_lowercase()).next().unwrap_or_default().to_owned()).collect()
}

#[test]
fn every_module_is_in_the_table() {
    let declared: BTreeSet<_> = include_str!("../../src/lib.rs")
        .lines()
        .filter_map(|line| line.trim_start_matches("pub ").strip_prefix("mod ")?.strip_suffix(';'))
        // It is there for tests alone.
        .filter(|module| *module != "testing")
        .collect();
    assert_eq!(lines().keys().map(String::as_str).collect::<BTreeSet<_>>(), declared);
}

#[test]
fn no_module_uses_one_above_it() {
    let lines = lines();
    for (module, line) in &lines {
        for used in used(module) {
            let below = lines.get(&used).is_some_and(|other| other >= line);
            assert!(below, "{module} uses {used}, which is above it in the table of lib.rs");
        }
    }
}
