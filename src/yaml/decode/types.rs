//! Decoding of a tree into types, with all errors at once.
//!
//! [`decode`] finds every error: it removes the wrong entry from the tree and reads the rest again, until the rest fits the
//! type or the root itself is wrong. Afterwards the tree mirrors the value, entry by entry, so that checks of the value can
//! find its places.

use std::sync::Arc;

use serde::de::DeserializeOwned;

use super::deserializer::View;
use super::terms::Terms;
use crate::yaml::diagnostic::Diagnostic;
use crate::yaml::node::{Node, Value};
use crate::yaml::source::Source;

/// Most errors that are searched for.
const MAX_ERRORS: usize = 100;

/// Most passes over the tree. Every error needs one, also one that follows from another and is not reported.
const MAX_PASSES: usize = 4 * MAX_ERRORS;

/// Reads a type from a tree, and removes every wrong entry from the tree.
pub fn decode<T: DeserializeOwned>(root: &mut Node, source: &Arc<Source>) -> (Option<T>, Vec<Diagnostic>) {
    decode_with(&Terms::default(), root, source)
}

/// Reads a type like [`decode`], with words for names in messages.
pub fn decode_with<T: DeserializeOwned>(
    terms: &Terms,
    root: &mut Node,
    source: &Arc<Source>,
) -> (Option<T>, Vec<Diagnostic>) {
    let mut found = Vec::new();
    for _ in 0..MAX_PASSES {
        if found.len() >= MAX_ERRORS {
            break;
        }
        let error = match T::deserialize(View { node: root, terms }) {
            Ok(value) => return (Some(value), found),
            Err(error) => error,
        };
        let at_root = error.path.is_empty();
        let path: Vec<usize> = error.path.iter().rev().copied().collect();
        let meant = error.meant.clone();
        if let Some(diagnostic) = error.into_diagnostic(root.span, source) {
            found.push(diagnostic);
        }
        if at_root {
            break;
        }
        prune(root, &path, meant);
    }
    (None, found)
}

/// Removes an entry. Its map remembers its name, and the name that was probably meant.
fn prune(mut node: &mut Node, path: &[usize], meant: Option<String>) {
    let Some((&last, parents)) = path.split_last() else { return };
    for &index in parents {
        let child = match &mut node.value {
            Value::List(list) => list.get_mut(index),
            Value::Map(map) => map.entries.get_mut(index).map(|(_, value)| value),
            _ => None,
        };
        match child {
            Some(child) => node = child,
            None => return,
        }
    }
    match &mut node.value {
        Value::List(list) if last < list.len() => {
            list.remove(last);
        }
        Value::Map(map) if last < map.entries.len() => {
            let (key, _) = map.entries.remove(last);
            map.faulty.push(key.text);
            map.faulty.extend(meant);
        }
        _ => {}
    }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;

    use serde::Deserialize;

    use super::*;
    use crate::yaml::node::{Style, Value};
    use crate::yaml::parse::parse;

    fn read<T: DeserializeOwned>(text: &str) -> (Option<T>, Vec<String>) {
        let source = Source::new("x.yaml", text);
        let mut root = parse(&source).0.expect("it is YAML");
        let (value, errors) = decode(&mut root, &source);
        let shown = errors.iter().map(|error| {
            let position = error.position().expect("it has a place");
            format!("{}:{} {}", position.line, position.column, error.message())
        });
        (value, shown.collect())
    }

    #[derive(Debug, Deserialize, PartialEq)]
    #[serde(deny_unknown_fields, rename_all = "kebab-case")]
    struct Sample {
        name: String,
        #[serde(default)]
        port: u16,
        #[serde(default)]
        list: Vec<String>,
        #[serde(default)]
        map: BTreeMap<String, i64>,
        #[serde(default)]
        on: Option<bool>,
    }

    #[test]
    fn one_error_each() {
        for (text, error) in [
            ("nam: x\nname: y\n", "1:1 unknown key `nam`"),
            ("name: 12\n", "1:7 expected a string, found integer `12`"),
            ("name: x\nport: 70000\n", "2:7 expected a whole number from 0 to 65535, found integer `70000`"),
            ("name: x\nport: '1'\n", "2:7 expected a whole number from 0 to 65535, found string `1`"),
            ("name: x\nlist: a\n", "2:7 expected a list, found string `a`"),
            ("name: x\nlist: [a, {b: c}]\n", "2:11 expected a string, found a map"),
            ("name: x\nmap: [a]\n", "2:6 expected a map, found a list"),
            ("name: x\nmap: { a: b }\n", "2:11 expected a whole number, found string `b`"),
            ("name: x\non: yes\n", "2:5 expected `true` or `false`, found string `yes`"),
            ("port: 1\n", "1:1 `name` is missing"),
            ("[]", "1:1 expected a map, found a list"),
        ] {
            assert_eq!(read::<Sample>(text).1, [error], "{text}");
        }
    }

    #[test]
    fn all_errors_come_at_once_and_none_follows_from_another() {
        let (value, errors) = read::<Vec<Sample>>(
            "- { nmae: x, port: 1 }\n- { name: [], port: x }\n- { name: a, list: [1, b, 2] }\n- { port: 1 }\n",
        );
        assert_eq!(
            errors,
            [
                "1:5 unknown key `nmae`",
                "2:11 expected a string, found a list",
                "2:21 expected a whole number from 0 to 65535, found string `x`",
                "3:21 expected a string, found integer `1`",
                "3:27 expected a string, found integer `2`",
                "4:3 `name` is missing",
            ]
        );
        let rest = value.expect("what is left can be read");
        assert_eq!(rest.len(), 1);
        assert_eq!(rest[0].list, ["b"]);
    }

    #[test]
    fn a_typed_template_may_stand_for_its_text() {
        let source = Source::new("x.yaml", "name: 12\n");
        let mut root = parse(&source).0.expect("it is YAML");
        if let Value::Map(map) = &mut root.value {
            map.entries[0].1.style = Style::Template;
        }
        let (sample, errors) = decode::<Sample>(&mut root, &source);
        assert_eq!(errors, []);
        assert_eq!(sample.map(|sample| sample.name).as_deref(), Some("12"));
    }

    #[test]
    fn nothing_is_an_empty_list_or_map() {
        let (sample, errors) = read::<Sample>("name: x\nlist:\nmap:\n");
        assert_eq!(errors, [""; 0]);
        assert_eq!(sample.map(|sample| sample.list.len() + sample.map.len()), Some(0));
    }
}
