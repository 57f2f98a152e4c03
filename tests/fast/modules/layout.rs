//! Where modules lie: one rule for all, so that a reader knows where to look.

use std::path::{Path, PathBuf};
use std::sync::LazyLock;

use regex::Regex;

/// Most lines of a file.
const LINES: usize = 400;

/// What of a `mod.rs` is no declaration: comments, attributes, `mod`, `use` and what they hand on are declarations.
fn items(text: &str) -> String {
    static DECLARATION: LazyLock<Regex> = LazyLock::new(|| {
        let comment = r"//[^\n]*";
        let attribute = r"#!?\[[^\]]*\]";
        let visible = r"(?:pub(?:\([^)]*\))?\s+)?";
        let declaration = format!(r"^(?:\s+|{comment}|{attribute}|{visible}(?:mod\s+\w+|use\s+[^;]+);)");
        Regex::new(&declaration).expect("a pattern")
    });
    let mut rest = text;
    while let Some(found) = DECLARATION.find(rest).filter(|found| !found.is_empty()) {
        rest = &rest[found.end()..];
    }
    rest.lines().next().unwrap_or_default().to_owned()
}

/// Returns the faults in the layout of the files below a directory.
fn faults(dir: &Path) -> Vec<String> {
    let mut found = Vec::new();
    let mut paths: Vec<PathBuf> =
        std::fs::read_dir(dir).expect("a directory").map(|entry| entry.expect("an entry").path()).collect();
    paths.sort();
    for path in paths {
        let shown = path.display();
        if path.is_dir() {
            found.extend(faults(&path));
            continue;
        }
        if path.extension().is_none_or(|extension| extension != "rs") {
            continue;
        }
        if path.with_extension("").is_dir() {
            found.push(format!("{shown} is beside the directory of its parts: it belongs into it"));
        }
        let text = std::fs::read_to_string(&path).expect("source");
        let lines = text.lines().count();
        if lines > LINES {
            found.push(format!("{shown} has {lines} lines, more than {LINES}: split it by meaning"));
        }
        let item = items(&text);
        if path.ends_with("mod.rs") && !item.is_empty() {
            found.push(format!("{shown} has more than declarations; a file of its own is for: {item}"));
        }
    }
    found
}

#[test]
fn modules_lie_where_the_rule_says() {
    let found = faults(&Path::new(env!("CARGO_MANIFEST_DIR")).join("src"));
    assert!(found.is_empty(), "{}", found.join("\n"));
}

#[test]
fn each_kind_of_fault_is_found() {
    let declarations = "//! What it is.\n#![deny(unsafe_code)]\n\nmod a;\n#[cfg(test)]\npub(crate) mod b;\n\n\
                        // Why.\npub use a::{\n    One, Two,\n};\n";
    assert_eq!(items(declarations), "");
    for item in
        ["fn f() {}", "impl A {}", "struct A;", "pub enum A {}", "const A: u8 = 1;", "pub trait A {}", "rules! {}"]
    {
        assert_eq!(items(&format!("{declarations}\n/// Its purpose.\n{item}\n")), item);
    }
    let dir = tempfile::tempdir().expect("a directory");
    std::fs::create_dir(dir.path().join("x")).expect("a directory");
    for (name, text) in
        [("x.rs", "mod y;\n".to_owned()), ("x/mod.rs", "fn f() {}\n".to_owned()), ("x/y.rs", "\n".repeat(401))]
    {
        std::fs::write(dir.path().join(name), text).expect("a file");
    }
    let found = faults(dir.path()).join("\n");
    for words in ["x.rs is beside the directory", "x/mod.rs has more than declarations", "x/y.rs has 401 lines"] {
        assert!(found.contains(words), "{found}");
    }
}
