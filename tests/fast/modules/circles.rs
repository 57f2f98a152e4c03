//! Files import each other in one direction: a circle of files cannot be read from its beginning.

use std::collections::{BTreeMap, BTreeSet};
use std::path::Path;
use std::sync::LazyLock;

use regex::Regex;

/// A module by the names on its way from the crate: `["image", "read"]`.
type Module = Vec<String>;

/// All modules that are files, each with its code: no comments, no tests.
fn modules(dir: &Path, above: &Module, found: &mut BTreeMap<Module, String>) {
    static COMMENTS: LazyLock<Regex> = LazyLock::new(|| Regex::new(r"//[^\n]*|pub\(in [^)]*\)").expect("a pattern"));
    static TESTS: LazyLock<Regex> =
        LazyLock::new(|| Regex::new(r"#\[cfg\(test\)\]\n(?:pub(?:\(\w+\))? )?mod tests").expect("a pattern"));
    for entry in std::fs::read_dir(dir).expect("a directory") {
        let path = entry.expect("an entry").path();
        let name = path.file_stem().expect("a name").to_string_lossy().into_owned();
        let module: Module = above.iter().cloned().chain((name != "mod").then(|| name.clone())).collect();
        if path.is_dir() {
            modules(&path, &module, found);
        } else if path.extension().is_some_and(|extension| extension == "rs")
            && !name.contains("tests")
            && !["lib", "main", "testing"].contains(&name.as_str())
        {
            let text = std::fs::read_to_string(&path).expect("source");
            let text = COMMENTS.replace_all(&text, "").into_owned();
            let end = TESTS.find(&text).map_or(text.len(), |tests| tests.start());
            found.insert(module, text[..end].to_owned());
        }
    }
}

/// The paths in a `use`, with braces written out.
fn expanded(path: &str) -> Vec<String> {
    let Some((before, inner)) = path.split_once('{') else { return vec![path.trim().to_owned()] };
    let inner = inner.rsplit_once('}').map_or(inner, |(inner, _)| inner);
    let (mut depth, mut parts) = (0, vec![String::new()]);
    for character in inner.chars() {
        match character {
            '{' => depth += 1,
            '}' => depth -= 1,
            _ => {}
        }
        match (character, depth) {
            (',', 0) => parts.push(String::new()),
            _ => parts.last_mut().expect("there is one").push(character),
        }
    }
    parts
        .iter()
        .filter(|part| !part.trim().is_empty())
        .flat_map(|part| expanded(&format!("{before}{}", part.trim())))
        .collect()
}

/// Names that a module gives to paths, by `use`: `["image", "Source"]` for `image::Source`, which is `["image", "interface", "Source"]`.
type Names = BTreeMap<Module, Vec<String>>;

/// Returns the path from the crate on, of a path in a module's code; `None` if it leads out of the crate.
fn absolute(path: &str, from: &Module, modules: &BTreeMap<Module, String>, names: &Names) -> Option<Vec<String>> {
    let path = path.split(" as ").next().unwrap_or_default();
    let mut words = path.split("::").map(|word| word.trim().to_owned()).peekable();
    let first = words.next()?;
    let named = [&from[..], std::slice::from_ref(&first)].concat();
    let mut at = match first.as_str() {
        "crate" => Vec::new(),
        "self" => from.clone(),
        "super" => {
            let mut at = from[..from.len().checked_sub(1)?].to_vec();
            while words.next_if(|word| word == "super").is_some() {
                at.pop()?;
            }
            at
        }
        _ if modules.contains_key(&named) || names.contains_key(&named) => named,
        _ => return None,
    };
    at.extend(words);
    Some(at)
}

/// Returns the module that has what a path leads to, behind all names that other modules give it.
fn target(mut path: Vec<String>, modules: &BTreeMap<Module, String>, names: &Names) -> Option<Module> {
    // A name may stand for a name. More than a few are a circle of names, which does not compile.
    for _ in 0..10 {
        let known = (1..=path.len()).find_map(|end| Some((end, names.get(&path[..end])?)));
        let Some((end, meant)) = known else { break };
        path = [&meant[..], &path[end..]].concat();
    }
    (1..=path.len()).rev().map(|end| path[..end].to_vec()).find(|module| modules.contains_key(module))
}

/// Returns the name that an entry of a `use` gives to its path.
fn name(path: &str) -> &str {
    path.rsplit([' ', ':']).next().unwrap_or_default()
}

/// For each module those that its code names.
fn imports(found: &BTreeMap<Module, String>) -> BTreeMap<Module, BTreeSet<Module>> {
    let uses = Regex::new(r"(pub(?:\(\w+\))? )?\buse ([^;]+);").expect("a pattern");
    let paths = Regex::new(r"\b\w+(?:::\w+)+").expect("a pattern");
    let mut names = Names::new();
    for (module, code) in found {
        for path in uses.captures_iter(code).flat_map(|used| expanded(&used[2])) {
            let path = path.trim_end_matches("::self").replace("::self as ", " as ");
            if let Some(to) = absolute(&path, module, found, &Names::new()) {
                let named = [&module[..], &[name(&path).to_owned()]].concat();
                // `use self::x` gives no other name.
                if to != named {
                    names.insert(named, to);
                }
            }
        }
    }
    let named = |(module, code): (&Module, &String)| {
        // What a `mod.rs` hands on of its parts is no use of its own.
        let is_directory = found.keys().any(|other| other.len() > module.len() && other.starts_with(module));
        let own = uses.captures_iter(code).filter(|used| used.get(1).is_none() || !is_directory);
        let own = own.flat_map(|used| expanded(&used[2]));
        let body = uses.replace_all(code, "");
        let all: BTreeSet<_> = own.chain(paths.find_iter(&body).map(|path| path.as_str().to_owned())).collect();
        let targets = all.iter().filter_map(|path| target(absolute(path, module, found, &names)?, found, &names));
        (module.clone(), targets.filter(|to| to != module).collect())
    };
    found.iter().map(named).collect()
}

/// All modules that lead from one to another.
fn reached(from: &Module, imports: &BTreeMap<Module, BTreeSet<Module>>) -> BTreeSet<Module> {
    let (mut reached, mut next) = (BTreeSet::new(), vec![from]);
    while let Some(module) = next.pop() {
        next.extend(imports[module].iter().filter(|to| reached.insert((*to).clone())));
    }
    reached
}

#[test]
fn files_import_each_other_in_one_direction() {
    let mut found = BTreeMap::new();
    modules(&Path::new(env!("CARGO_MANIFEST_DIR")).join("src"), &Vec::new(), &mut found);
    let imports = imports(&found);
    assert!(imports.len() > 200 && imports[&vec!["fsx".to_owned()]].len() < 3, "the source is read: {}", imports.len());
    let ways: BTreeMap<_, _> = imports.keys().map(|module| (module, reached(module, &imports))).collect();
    let circle = |module: &Module| {
        let mates = ways[module].iter().filter(|other| ways[*other].contains(module));
        let names: Vec<_> = mates.map(|module| module.join("/")).collect();
        (!names.is_empty()).then(|| names.join(" "))
    };
    let found: BTreeSet<_> = imports.keys().filter_map(circle).collect();
    assert!(found.is_empty(), "circles: {found:#?}");
}

#[test]
fn every_way_to_name_a_file_is_seen() {
    let file = |path: &str| -> Module { path.split('/').map(str::to_owned).collect() };
    let names =
        [("a", "mod b;\npub use b::Thing as Named;\npub(crate) use b::inner;"), ("a/b", "pub use self::inner::Deep;")];
    for code in [
        "use crate::a::b::Thing;",
        "use crate::a::{self as other, b::{Thing}};",
        "fn f() { crate::a::b::f() }",
        "fn f() { super::a::b::f() }",
        "use super::a::b;",
        "use super::a;\nfn f() { a::b::f() }",
        "use crate::a::{self};\nfn f(thing: &a::b::Thing) {}",
        "use crate::a as other;\nfn f() { other::b::f() }",
        "use crate::a;\nfn f() -> a::Named { todo() }",
        "use super::a::Named;",
        "use super::a::Named as Again;",
        "pub use super::a::Named;",
        "use std::fmt;\nfn f() { let _ = super::a::Named::new(); }",
    ] {
        let mut files: BTreeMap<_, _> = names.iter().map(|(path, code)| (file(path), (*code).to_owned())).collect();
        files.insert(file("c"), code.to_owned());
        assert!(imports(&files)[&file("c")].contains(&file("a/b")), "{code}");
    }
    let mut files: BTreeMap<_, _> = names.iter().map(|(path, code)| (file(path), (*code).to_owned())).collect();
    files.insert(file("a/b/inner"), "fn f() { super::super::super::c::f(); self::g() }".to_owned());
    files.insert(file("c"), "use crate::a::inner;\nfn f() { inner::Deep::new() }".to_owned());
    files.insert(file("d"), "use crate::a::b::Deep;\nfn f() { std::fs::read() }".to_owned());
    let imports = imports(&files);
    assert_eq!(imports[&file("a/b/inner")], BTreeSet::from([file("c")]));
    assert_eq!(imports[&file("c")], BTreeSet::from([file("a/b/inner")]));
    assert_eq!(imports[&file("d")], BTreeSet::from([file("a/b/inner")]));
    assert!(reached(&file("c"), &imports).contains(&file("c")), "a circle is one");
}
