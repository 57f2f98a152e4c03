//! Configuration files as PyYAML and Python's `json` read them: YAML 1.1 with merge keys, and the last of several equal keys.
//!
//! A value that cannot be read is no error of its file: only the code that uses it reports the error.

use std::sync::Arc;

use granit_parser::Parser;

use super::scalar::{construct, printed, type_of};
use super::value::{Map, Node, Place, Value};
use crate::yaml::events::{self, Collection, Extent, Read, Scalar, Schema};
use crate::yaml::{Diagnostic, MAX_BYTES, Source, Span};

/// Prefix of the tags of YAML's own types.
const TAGS: &str = "tag:yaml.org,2002:";

/// Reads a file; an empty one is an empty map.
pub(super) fn parse(source: &Arc<Source>) -> Read<Map> {
    let length = source.text().len();
    if length > MAX_BYTES {
        let message = format!("the file has {length} bytes; at most {MAX_BYTES} are read");
        return Err(Box::new(Diagnostic::of_file(source, message)));
    }
    let root = if source.name().ends_with(".json") { json(source)? } else { yaml(source)? };
    match root.value {
        Value::Map(map) => Ok(map),
        Value::Null => Ok(Map::new()),
        _ => {
            let message = format!("the file is {}; it must be a map with the key `clouds`", root.kind());
            Err(Box::new(Diagnostic::of_file(source, message)))
        }
    }
}

fn yaml(source: &Arc<Source>) -> Read<Node> {
    // A byte order mark at the beginning is no problem: the parser skips it, as PyYAML does.
    let options = granit_parser::options! { emit_comments: false };
    let parser = Parser::new_from_str_with_options(source.text(), options);
    events::read(source, parser, &mut PyYaml { source })
}

/// The types of YAML 1.1, with tags and merge keys, as PyYAML's `safe_load` has them.
struct PyYaml<'a> {
    source: &'a Arc<Source>,
}

/// What is merged comes first, and what the map says itself is put over it.
#[derive(Default)]
struct Entries {
    merged: Map,
    own: Map,
}

impl PyYaml<'_> {
    fn placed(&self, value: Value, span: Span) -> Node {
        Node { value, place: Some(Place { source: self.source.clone(), span: Some(span) }) }
    }

    /// Adds the entries of a map to another one, or those of a list of maps, of which the first has precedence. In PyYAML 6.0.4
    /// the last one has, against YAML and all its other versions.
    fn merge(&self, merged: &mut Map, value: Node, span: Span) -> Read<()> {
        let unfit =
            || Box::new(Diagnostic::new(self.source, span, "only a map, or a list of maps, can be merged by `<<`"));
        match value.value {
            Value::Map(map) => merged.extend(map),
            Value::List(list) => {
                for node in list.into_iter().rev() {
                    let Value::Map(map) = node.value else { return Err(unfit()) };
                    merged.extend(map);
                }
            }
            _ => return Err(unfit()),
        }
        Ok(())
    }
}

impl Schema for PyYaml<'_> {
    type Node = Node;
    type Map = Entries;

    fn check_tag(&self, _: Option<&str>, _: Span) -> Read<()> {
        Ok(())
    }

    fn scalar(&mut self, scalar: Scalar<'_>) -> Read<Node> {
        let plain = if scalar.quoted { "str" } else { type_of(&scalar.text) };
        let kind = kind(scalar.tag.as_deref()).unwrap_or(plain);
        Ok(self.placed(construct(kind, &scalar.text), scalar.span))
    }

    fn list(&mut self, list: Vec<Node>, written: Collection) -> Node {
        let fits = matches!(kind(written.tag.as_deref()), None | Some("seq"));
        self.placed(if fits { Value::List(list) } else { unfit() }, written.start)
    }

    fn is_key(&self, _: &str) -> bool {
        true
    }

    fn entry(&mut self, entries: &mut Entries, key: Scalar<'_>, value: Node, span: Span) -> Read<()> {
        let merges = match &key.tag {
            Some(tag) => tag.strip_prefix(TAGS) == Some("merge"),
            None => !key.quoted && key.text == "<<",
        };
        if merges {
            return self.merge(&mut entries.merged, value, span);
        }
        entries.own.insert(key.text.into_owned(), value);
        Ok(())
    }

    fn map(&mut self, mut entries: Entries, written: Collection) -> Node {
        entries.merged.extend(entries.own);
        let fits = matches!(kind(written.tag.as_deref()), None | Some("map"));
        self.placed(if fits { Value::Map(entries.merged) } else { unfit() }, written.start)
    }

    fn empty(&self) -> Read<Node> {
        Ok(Node::unwritten(Value::Null))
    }

    fn extent(node: &Node) -> Extent {
        match &node.value {
            Value::List(list) => Extent::around(list.iter().map(|node| (0, Self::extent(node)))),
            Value::Map(map) => Extent::around(map.iter().map(|(key, node)| (key.len(), Self::extent(node)))),
            Value::Text(text) => Extent::of_scalar(text.len()),
            _ => Extent::of_scalar(0),
        }
    }
}

/// The type that a tag names; `None` if the value's form tells it.
fn kind(tag: Option<&str>) -> Option<&str> {
    tag.filter(|tag| *tag != "!").map(|tag| tag.strip_prefix(TAGS).unwrap_or("unknown"))
}

fn unfit() -> Value {
    Value::Fault("nothing here has a tag like this".to_owned())
}

fn json(source: &Arc<Source>) -> Read<Node> {
    serde_json::from_str(source.text()).map(|value| of_json(value, source)).map_err(|error| {
        let before = source.text().split_inclusive('\n').take(error.line().saturating_sub(1)).map(str::len);
        let start = before.sum::<usize>() + error.column().saturating_sub(1);
        let message = format!("not JSON: {:?}", error.classify()).to_lowercase();
        Box::new(Diagnostic::new(source, Span { start, end: start + 1 }, message))
    })
}

fn of_json(value: serde_json::Value, source: &Arc<Source>) -> Node {
    let value = match value {
        serde_json::Value::Null => Value::Null,
        serde_json::Value::Bool(truth) => Value::Bool(truth),
        serde_json::Value::Number(number) => match number.as_f64() {
            // Python reads whole numbers of any size; this parser rounds them above this limit.
            Some(float) if number.is_f64() && float.abs() >= 2f64.powi(63) => {
                Value::Fault("a number this large is not read exactly: put quotes around it".to_owned())
            }
            Some(float) if number.is_f64() => Value::Float(printed(float)),
            _ => Value::Int(number.to_string()),
        },
        serde_json::Value::String(text) => Value::Text(text),
        serde_json::Value::Array(list) => Value::List(list.into_iter().map(|value| of_json(value, source)).collect()),
        serde_json::Value::Object(map) => {
            Value::Map(map.into_iter().map(|(key, value)| (key, of_json(value, source))).collect())
        }
    };
    Node { value, place: Some(Place { source: source.clone(), span: None }) }
}
