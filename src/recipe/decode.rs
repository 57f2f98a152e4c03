//! From the tree to the types.
//!
//! [`decode`] finds every error: what is at fault is taken out of the tree and the rest is read again,
//! until it fits the type or the root itself is at fault. Afterwards the tree mirrors the value, entry
//! by entry, so that checks of the value can find its places.

use std::fmt;
use std::ops::{Deref, DerefMut};
use std::sync::Arc;

use serde::de::{self, DeserializeOwned, Expected, Unexpected};

use super::diagnostic::{Diagnostic, Source, Span, list, near};
use super::node::{Node, Style, Value};

mod deserializer;

/// More errors than this are not looked for.
const MAX_ERRORS: usize = 100;

/// Every error takes another look at all of the tree, also one that follows from another and is not told.
const MAX_PASSES: usize = 4 * MAX_ERRORS;

/// Reads a type from a tree. The tree loses every entry that is at fault.
pub fn decode<T: DeserializeOwned>(root: &mut Node, source: &Arc<Source>) -> (Option<T>, Vec<Diagnostic>) {
    let mut found = Vec::new();
    for _ in 0..MAX_PASSES {
        if found.len() >= MAX_ERRORS {
            break;
        }
        let error = match T::deserialize(deserializer::View(root)) {
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

/// Takes an entry out. The map it was in remembers its name, and the name it was probably meant to have.
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

/// Why a type cannot be read from a tree. In a box, because it passes through many results.
#[derive(Debug)]
struct Error(Box<Fault>);

#[derive(Debug, Default)]
struct Fault {
    message: String,
    help: Vec<String>,
    span: Option<Span>,
    /// Indices of the entries that lead to the one at fault, innermost first.
    path: Vec<usize>,
    /// Field that is missing.
    missing: Option<&'static str>,
    /// Name that was probably meant.
    meant: Option<String>,
    /// Whether it follows from an error that is reported already.
    follows: bool,
}

impl Deref for Error {
    type Target = Fault;

    fn deref(&self) -> &Fault {
        &self.0
    }
}

impl DerefMut for Error {
    fn deref_mut(&mut self) -> &mut Fault {
        &mut self.0
    }
}

impl Error {
    fn new(message: impl Into<String>) -> Self {
        Self(Box::new(Fault { message: message.into(), ..Fault::default() }))
    }

    fn help(mut self, help: impl Into<String>) -> Self {
        self.help.push(help.into());
        self
    }

    /// Sets the place, unless a value further in has done so.
    fn at(mut self, span: Span) -> Self {
        self.span.get_or_insert(span);
        self
    }

    /// Names the entry that leads to the value at fault.
    fn under(mut self, index: usize) -> Self {
        self.path.push(index);
        self
    }

    fn unknown(kind: &str, name: &str, allowed: &'static [&'static str]) -> Self {
        let mut error = Self::new(format!("unknown {kind} `{name}`"));
        error.meant = near(name, allowed);
        if let Some(help) = error.meant.as_ref().map(|meant| format!("did you mean `{meant}`?")) {
            error.help.push(help);
        }
        error.help(format!("known here: {}", list(allowed)))
    }

    fn into_diagnostic(self, root: Span, source: &Arc<Source>) -> Option<Diagnostic> {
        if self.follows {
            return None;
        }
        let diagnostic = Diagnostic::new(source, self.span.unwrap_or(root), &self.message);
        Some(self.help.iter().fold(diagnostic, Diagnostic::help))
    }
}

impl fmt::Display for Error {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.message)
    }
}

impl std::error::Error for Error {}

impl de::Error for Error {
    fn custom<T: fmt::Display>(message: T) -> Self {
        Self::new(message.to_string())
    }

    fn invalid_type(found: Unexpected<'_>, expected: &dyn Expected) -> Self {
        let found = match found {
            Unexpected::Bool(value) => format!("boolean `{value}`"),
            Unexpected::Unsigned(value) => format!("integer `{value}`"),
            Unexpected::Signed(value) => format!("integer `{value}`"),
            Unexpected::Float(value) => format!("number `{value}`"),
            Unexpected::Str(value) => format!("string `{value}`"),
            Unexpected::Unit | Unexpected::Option => "nothing".to_owned(),
            Unexpected::Seq => "a list".to_owned(),
            Unexpected::Map => "a map".to_owned(),
            other => other.to_string(),
        };
        Self::new(format!("expected {}, found {found}", expectation(expected)))
    }

    fn invalid_value(found: Unexpected<'_>, expected: &dyn Expected) -> Self {
        Self::invalid_type(found, expected)
    }

    fn unknown_variant(name: &str, allowed: &'static [&'static str]) -> Self {
        Self::unknown("name", name, allowed)
    }

    fn unknown_field(name: &str, allowed: &'static [&'static str]) -> Self {
        Self::unknown("key", name, allowed)
    }

    fn missing_field(field: &'static str) -> Self {
        let mut error = Self::new(format!("`{field}` is missing"));
        error.missing = Some(field);
        match field {
            "sha256" => error.help(
                "an image must be pinned: give the digest that `sha256sum` prints, or the URL of the SHA256SUMS file",
            ),
            _ => error,
        }
    }
}

/// What a serde visitor expects, in a recipe author's words.
fn expectation(expected: &dyn Expected) -> String {
    let text = expected.to_string();
    match text.as_str() {
        "a boolean" => "`true` or `false`".to_owned(),
        "a sequence" => "a list".to_owned(),
        "u8" => "a whole number from 0 to 255".to_owned(),
        "u16" => "a whole number from 0 to 65535".to_owned(),
        "u32" => "a whole number from 0 to 4294967295".to_owned(),
        "u64" => "a whole number, not negative".to_owned(),
        "i64" => "a whole number".to_owned(),
        _ if text.starts_with("struct ") => "a map".to_owned(),
        _ => text,
    }
}

/// Quotes make a text of a plain scalar that is taken for something else.
fn quoting_help(node: &Node) -> Option<&'static str> {
    let scalar = matches!(node.value, Value::Bool(_) | Value::Int(_) | Value::Float(_));
    (scalar && node.style == Style::Plain).then_some("write it in quotes to make it a string")
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;

    use serde::Deserialize;

    use super::super::node::parse;
    use super::*;
    use crate::action::Action;

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
    fn actions_are_maps_with_one_key() {
        for (text, error) in [
            ("- wirte: { path: /a, content: b }\n", "1:3 unknown action `wirte`"),
            ("- write: { path: /a }\n", "1:3 `content` is missing in `write`"),
            ("- write: { path: /a, content: b, mode: 644 }\n", "1:40 expected a string, found integer `644`"),
            ("- write: { path: /a, content: b, mode: '999' }\n", "1:40 `999` is not a file mode"),
            ("- write: /a\n", "1:10 expected a map, found string `/a`"),
            ("- write\n", "1:3 `write` needs a value"),
            ("- remove: /a\n", "1:11 expected a list, found string `/a`"),
            ("- remove: [/a]\n  empty: [/b]\n", "1:3 expected one key, found 2"),
            ("- {}\n", "1:3 expected one key, found 0"),
            ("- [a]\n", "1:3 expected a name or a map with one key, found a list"),
            ("- run: { inline: x, timeout: soon }\n", "1:30 `soon` is not a duration"),
        ] {
            let errors = read::<Vec<Action>>(text).1;
            assert_eq!(errors.len(), 1, "{text}: {errors:?}");
            assert!(errors[0].starts_with(error), "{text}: {errors:?}");
        }
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
