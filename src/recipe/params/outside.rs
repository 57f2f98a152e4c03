//! Values that a recipe gets from outside: by environment variables, files and options of the command line.

use std::collections::{BTreeMap, BTreeSet};
use std::ffi::OsString;
use std::path::PathBuf;
use std::sync::Arc;

use super::typed::{Fault, accept, accept_text};
use super::values::{Values, suggest};
use crate::element::schema::Param;
use crate::yaml::{Diagnostic, Key, Map, Node, Source, near, parse, read};

/// First part of the names of environment variables that set parameters. The name of the parameter follows.
pub const VARIABLE: &str = "GOLDSMITH_PARAM_";

/// Values for the parameters of a recipe from outside of it. An option wins over a file, a file over a variable, and a variable over a
/// file that the user's settings name.
#[derive(Debug, Clone, Default)]
pub struct Outside {
    /// Values of environment variables as text, by the name of the parameter. The recipe need not declare it: the variable may be
    /// meant for another recipe.
    pub variables: BTreeMap<String, OsString>,
    /// YAML or JSON files, each of which maps names to values. A later file wins over an earlier one.
    pub files: Vec<PathBuf>,
    /// Files of the user's settings. They may name parameters of other recipes.
    pub configured: Vec<PathBuf>,
    /// Values of `--param` as text. A list has commas.
    pub options: BTreeMap<String, String>,
}

/// What a recipe declares.
#[derive(Clone, Copy)]
pub(crate) struct Declared<'a> {
    pub(crate) params: &'a BTreeMap<String, Param>,
    /// Names of the recipe's secrets, which are no parameters.
    pub(crate) secrets: &'a BTreeSet<&'a str>,
    /// Names of the parameters that the recipe's matrix gives values.
    pub(crate) of_matrix: Option<&'a BTreeSet<String>>,
}

impl Declared<'_> {
    fn in_matrix(&self, name: &str) -> bool {
        self.of_matrix.is_some_and(|names| names.contains(name))
    }
}

/// The error of a value from outside for a parameter to which the matrix gives values.
fn in_matrix(name: &str) -> Fault {
    Fault {
        message: format!("the matrix of the recipe gives `{name}` its values"),
        help: Some("choose images of the matrix with `--only NAME`; `*` in the name stands for any text".to_owned()),
    }
}

/// Sets the values from outside. An error names the variable, the place in the file, or the option. No message shows a value that
/// no parameter takes, because it may be meant for a secret.
pub(crate) fn give_outside(
    values: &mut Values,
    declared: Declared<'_>,
    outside: &Outside,
    found: &mut Vec<Diagnostic>,
    notes: &mut Vec<String>,
) {
    let files: Vec<_> = outside.files.iter().filter_map(|path| file(path, found)).collect();
    let in_files = files.iter().flat_map(|(_, map)| &map.entries).map(|(key, _)| key.text.as_str());
    let sure: BTreeSet<&str> = in_files.chain(outside.options.keys().map(String::as_str)).collect();
    for (source, map) in outside.configured.iter().filter_map(|path| file(path, found)).collect::<Vec<_>>() {
        for (key, node) in &map.entries {
            let decided = sure.contains(key.text.as_str()) || outside.variables.contains_key(&key.text);
            if let Some(param) = declared.params.get(&key.text).filter(|_| !decided && !declared.in_matrix(&key.text)) {
                let whose = format!("parameter `{}`", key.text);
                take(values, &key.text, accept(param, node), |fault| fault.at(&source, node.span, &whose), found);
            }
        }
    }
    for (name, value) in outside.variables.iter().filter(|(name, _)| !sure.contains(name.as_str())) {
        let variable = format!("${VARIABLE}{name}");
        match declared.params.get(name) {
            Some(_) if declared.in_matrix(name) => found.push(in_matrix(name).of(&variable)),
            Some(param) => {
                let value = match value.to_str() {
                    Some(text) => accept_text(param, text),
                    None => Err(Fault { message: "the value is not UTF-8 text".to_owned(), help: None }),
                };
                take(values, name, value, |fault| fault.of(&variable), found);
            }
            None => {
                let meant = near(name, declared.params.keys());
                let meant =
                    meant.filter(|meant| !sure.contains(meant.as_str()) && !outside.variables.contains_key(meant));
                notes.extend(meant.map(|meant| {
                    format!("{variable} sets nothing: the recipe has no parameter `{name}`; did you mean `{meant}`?")
                }));
            }
        }
    }
    for (source, map) in &files {
        for (key, node) in &map.entries {
            match declared.params.get(&key.text) {
                Some(_) if declared.in_matrix(&key.text) => {
                    found.push(in_matrix(&key.text).at(source, key.span, &format!("parameter `{}`", key.text)));
                }
                Some(param) => {
                    let whose = format!("parameter `{}`", key.text);
                    take(values, &key.text, accept(param, node), |fault| fault.at(source, node.span, &whose), found);
                }
                None => found.push(stray_key(key, declared, source)),
            }
        }
    }
    for (name, text) in &outside.options {
        let option = format!("--param {name}");
        match declared.params.get(name) {
            Some(_) if declared.in_matrix(name) => found.push(in_matrix(name).of(&option)),
            Some(param) => take(values, name, accept_text(param, text), |fault| fault.of(&option), found),
            None => {
                let message = format!("`{option}`: the recipe has no parameter `{name}`");
                let diagnostic = Diagnostic::of_file(&Source::new(option, ""), message);
                found.push(advise(diagnostic, name, declared));
            }
        }
    }
}

/// Sets a value, or reports why it is none.
fn take(
    values: &mut Values,
    name: &str,
    value: Result<serde_json::Value, Fault>,
    report: impl FnOnce(Fault) -> Diagnostic,
    found: &mut Vec<Diagnostic>,
) {
    match value {
        Ok(value) => values.set(name, value),
        Err(fault) => {
            found.push(report(fault));
            values.values.remove(name);
            values.faulty.push(name.to_owned());
        }
    }
}

/// Reads a file of parameters.
fn file(path: &std::path::Path, found: &mut Vec<Diagnostic>) -> Option<(Arc<Source>, Map)> {
    let source = match read(path) {
        Ok(source) => source,
        Err(error) => {
            found.push((*error).help("`--params` names a YAML or JSON file with `name: value` for each parameter"));
            return None;
        }
    };
    let (node, errors) = parse(&source);
    found.extend(errors);
    let node: Node = node?;
    match node.map() {
        Some(map) => Some((source, map.clone())),
        None => {
            let message = format!("a file of parameters is a map of names and values, and this is {}", node.describe());
            found.push(Diagnostic::new(&source, node.span, message).help("write `name: value` for each parameter"));
            None
        }
    }
}

/// Reports a name in a file that is no parameter. The error shows its place only, without the value.
fn stray_key(key: &Key, declared: Declared<'_>, source: &Source) -> Diagnostic {
    let hidden = Source::hidden(source.name(), source.text());
    let message = format!("the recipe has no parameter `{}`", key.text);
    advise(Diagnostic::new(&hidden, key.span, message), &key.text, declared)
}

fn advise(diagnostic: Diagnostic, name: &str, Declared { params, secrets, .. }: Declared<'_>) -> Diagnostic {
    if secrets.contains(name) {
        return diagnostic.help(format!(
            "`{name}` is a secret: `secrets` in the recipe says from which variable or file its value comes"
        ));
    }
    suggest(diagnostic, name, params)
}

#[cfg(test)]
mod tests {
    use serde_json::{Value as Json, json};

    use super::*;
    use crate::recipe::template::Variables;
    use crate::recipe::terms::decode;

    const DECLARED: &str = "\
release: { type: string, default: bookworm, choices: [bookworm, trixie] }
size: { type: integer, default: 3 }
fast: { type: boolean, default: false }
sources: { type: list, default: [a], choices: [a, b] }
";

    /// The value of a parameter, the errors as people see them, and the notes.
    fn given(outside: &Outside, name: &str) -> (Option<Json>, Vec<String>, Vec<String>) {
        let source = Source::new("x.yaml", DECLARED);
        let mut node = parse(&source).0.expect("it is YAML");
        let params = decode::<BTreeMap<String, Param>>(&mut node, &source).0.expect("they are parameters");
        let (mut found, mut notes) = (Vec::new(), Vec::new());
        let mut values = super::super::defaults(&params, Some(&node), &Variables::default(), &source, &mut found);
        let declared = Declared { params: &params, secrets: &BTreeSet::from(["token"]), of_matrix: None };
        give_outside(&mut values, declared, outside, &mut found, &mut notes);
        let shown = found.iter().map(|diagnostic| diagnostic.render(false)).collect();
        (values.values.get(name).cloned(), shown, notes)
    }

    fn texts(pairs: &[(&str, &str)]) -> BTreeMap<String, String> {
        pairs.iter().map(|(name, text)| ((*name).to_owned(), (*text).to_owned())).collect()
    }

    fn variables(pairs: &[(&str, &str)]) -> BTreeMap<String, OsString> {
        pairs.iter().map(|(name, text)| ((*name).to_owned(), (*text).into())).collect()
    }

    fn files(contents: &[&str]) -> (tempfile::TempDir, Vec<PathBuf>) {
        let dir = tempfile::tempdir().expect("a directory");
        let paths: Vec<_> = (0..contents.len()).map(|number| dir.path().join(format!("{number}.yaml"))).collect();
        paths.iter().zip(contents).for_each(|(path, content)| std::fs::write(path, content).expect("a file"));
        (dir, paths)
    }

    #[test]
    fn texts_take_the_declared_type_and_errors_name_the_option_or_the_variable() {
        for (name, text, result) in [
            ("release", "trixie", Ok(json!("trixie"))),
            ("release", "trixe", Err("`trixe` is not one of `bookworm`, `trixie`")),
            ("size", "12", Ok(json!(12))),
            ("size", "big", Err("expected a whole number, found `big`")),
            ("fast", "true", Ok(json!(true))),
            ("fast", "yes", Err("expected `true` or `false`, found `yes`")),
            ("sources", "a, b", Ok(json!(["a", "b"]))),
            ("sources", "", Ok(json!([]))),
            ("sources", "c", Err("`c` is not one of `a`, `b`")),
        ] {
            let option = Outside { options: texts(&[(name, text)]), ..Outside::default() };
            let variable = Outside { variables: variables(&[(name, text)]), ..Outside::default() };
            for (outside, place) in [(option, format!("--param {name}")), (variable, format!("${VARIABLE}{name}"))] {
                let (value, found, _) = given(&outside, name);
                match &result {
                    Ok(expected) => assert_eq!((value.as_ref(), found.len()), (Some(expected), 0), "{place}={text}"),
                    Err(message) => {
                        let start = format!("error: `{place}`: {message}\n");
                        assert!(
                            found[0].starts_with(&start) && found[0].contains(&format!("--> {place}")),
                            "{found:?}"
                        );
                        assert_eq!(value, None, "{place}={text}");
                    }
                }
            }
        }
    }

    #[test]
    fn an_option_wins_over_files_a_later_file_over_an_earlier_one_and_files_over_variables() {
        let (_dir, paths) = files(&["size: 5\nfast: true\n", "{\n\t\"size\": 6,\n\t\"sources\": [\"b\"]\n}\n"]);
        let all = |options: &[(&str, &str)], files: &[PathBuf]| Outside {
            // A value that does not count is not looked at.
            variables: variables(&[("size", "4"), ("fast", "perhaps")]),
            files: files.to_vec(),
            configured: Vec::new(),
            options: texts(options),
        };
        for (outside, size) in [
            (Outside::default(), 3),
            (all(&[("fast", "true")], &[]), 4),
            (all(&[], &paths[..1]), 5),
            (all(&[], &paths), 6),
            (all(&[("size", "7")], &paths), 7),
        ] {
            assert_eq!(given(&outside, "size"), (Some(json!(size)), Vec::new(), Vec::new()), "{outside:?}");
        }
        assert_eq!(given(&all(&[], &paths), "sources").0, Some(json!(["b"])));
        assert_eq!(given(&all(&[], &paths), "fast").0, Some(json!(true)));
    }

    #[test]
    fn files_of_settings_come_last_and_may_be_for_other_recipes() {
        let (_dir, paths) = files(&["size: 5\nother: x\nfast: 7\n"]);
        let outside = |variables: BTreeMap<String, OsString>, options: &[(&str, &str)]| Outside {
            variables,
            configured: paths.clone(),
            options: texts(options),
            ..Outside::default()
        };
        let (value, found, notes) = given(&outside(BTreeMap::new(), &[("fast", "true")]), "size");
        assert_eq!((value, found.len(), notes.len()), (Some(json!(5)), 0, 0));
        assert_eq!(given(&outside(variables(&[("size", "4")]), &[("fast", "true")]), "size").0, Some(json!(4)));
        let (_, found, _) = given(&outside(BTreeMap::new(), &[]), "fast");
        assert!(found[0].contains("0.yaml:3:7") && found[0].contains("expected `true` or `false`"), "{found:?}");
    }

    #[test]
    fn errors_in_files_have_their_place() {
        for (text, place, words) in [
            ("fast: true\nsize: '4'\n", "0.yaml:2:7", "parameter `size`: expected a whole number, found string `4`"),
            ("release: 12\n", "0.yaml:1:10", "write it in quotes"),
            ("size:\n", "0.yaml:", "expected a whole number, found nothing"),
            ("\nsise: 4\n", "0.yaml:2:1", "did you mean `size`?"),
            ("size: 1\nsize: 2\n", "0.yaml:2:1", "key `size` is there twice"),
            ("- size\n", "0.yaml:1:1", "and this is a list"),
            ("size: [\n", "0.yaml:", "not YAML"),
            ("", "0.yaml", "the file is empty"),
        ] {
            let (_dir, paths) = files(&[text]);
            let (_, found, _) = given(&Outside { files: paths, ..Outside::default() }, "size");
            assert!(found.len() == 1 && found[0].contains(place) && found[0].contains(words), "{text}: {found:?}");
        }
        let (_, found, _) = given(&Outside { files: vec!["/nowhere/x.yaml".into()], ..Outside::default() }, "size");
        assert!(found[0].contains("/nowhere/x.yaml") && found[0].contains("cannot be read"), "{found:?}");
    }

    #[test]
    fn a_variable_that_no_parameter_takes_is_no_error_and_only_a_near_name_is_worth_a_note() {
        for (name, note) in [("colour", None), ("sise", Some("did you mean `size`?")), ("token", None)] {
            let (value, found, notes) =
                given(&Outside { variables: variables(&[(name, "9")]), ..Outside::default() }, "size");
            assert_eq!((value, found.len(), notes.len()), (Some(json!(3)), 0, usize::from(note.is_some())), "{name}");
            assert!(notes.iter().all(|text| text.contains(note.unwrap_or_default())), "{notes:?}");
        }
        let both = Outside { variables: variables(&[("sise", "9"), ("size", "8")]), ..Outside::default() };
        assert_eq!(given(&both, "size"), (Some(json!(8)), Vec::new(), Vec::new()));
    }

    #[test]
    fn a_value_that_no_parameter_takes_is_not_shown() {
        let value = "correct-horse-battery";
        let (_dir, paths) = files(&[&format!("token: {value}\ntokne: {value}\n")]);
        let outside = Outside {
            variables: variables(&[("token", value), ("sise", value)]),
            files: paths,
            configured: Vec::new(),
            options: texts(&[("token", value), ("tokem", value)]),
        };
        let (_, found, notes) = given(&outside, "size");
        assert_eq!((found.len(), notes.len()), (4, 1), "{found:?}");
        assert!(!found.concat().contains(value) && !notes.concat().contains(value), "{found:?} {notes:?}");
        assert_eq!(found.iter().filter(|error| error.contains("`token` is a secret")).count(), 2, "{found:?}");
    }
}
