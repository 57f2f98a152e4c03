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

/// The deepest module that a path in a module's code leads into, by the names that modules hand on too.
fn target(
    path: &str,
    from: &Module,
    modules: &BTreeMap<Module, String>,
    handed_on: &BTreeMap<Module, Module>,
) -> Option<Module> {
    let path = path.split(" as ").next().unwrap_or_default();
    let mut words = path.split("::").map(str::trim).peekable();
    let mut at: Module = match words.peek().copied() {
        Some("crate") => {
            words.next();
            Vec::new()
        }
        Some("super") => {
            let mut at = from.clone();
            while words.next_if_eq(&"super").is_some() {
                at.pop();
            }
            at
        }
        Some("self") => {
            words.next();
            from.clone()
        }
        Some(word) if modules.contains_key(&[&from[..], &[word.to_owned()]].concat()) => from.clone(),
        _ => return None,
    };
    for word in words {
        let next = [&at[..], &[word.to_owned()]].concat();
        if modules.contains_key(&next) {
            at = next;
        } else {
            at = handed_on.get(&next).cloned().unwrap_or(at);
            break;
        }
    }
    modules.contains_key(&at).then_some(at)
}

/// For each module those that its code names.
fn imports() -> BTreeMap<Module, BTreeSet<Module>> {
    let mut found = BTreeMap::new();
    modules(&Path::new(env!("CARGO_MANIFEST_DIR")).join("src"), &Vec::new(), &mut found);
    let uses = Regex::new(r"(pub(?:\(\w+\))? )?\buse ([^;]+);").expect("a pattern");
    let paths = Regex::new(r"\b(?:crate|super)(?:::\w+)+").expect("a pattern");
    let mut handed_on = BTreeMap::new();
    for (module, code) in &found {
        for used in uses.captures_iter(code).filter(|used| used.get(1).is_some()) {
            for path in expanded(&used[2]) {
                let name = path.rsplit([' ', ':']).next().unwrap_or_default().to_owned();
                if let Some(to) = target(&path, module, &found, &BTreeMap::new()).filter(|to| to != module) {
                    handed_on.insert([&module[..], &[name]].concat(), to);
                }
            }
        }
    }
    let named = |(module, code): (&Module, &String)| {
        let used = uses.captures_iter(code).filter(|used| used.get(1).is_none()).flat_map(|used| expanded(&used[2]));
        let all: BTreeSet<_> = used.chain(paths.find_iter(code).map(|path| path.as_str().to_owned())).collect();
        let named = all.iter().filter_map(|path| target(path, module, &found, &handed_on));
        (module.clone(), named.filter(|to| to != module).collect())
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
    let imports = imports();
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
