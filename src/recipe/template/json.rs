//! Converts the value of a template to a node of a YAML tree.

use crate::yaml::{Key, Map, Node, Span, Style, Value};

/// A value as a tree, all of it at one place.
pub(crate) fn from_json(value: serde_json::Value, span: Span) -> Node {
    use serde_json::Value as Json;
    let value = match value {
        Json::Null => Value::Null,
        Json::Bool(value) => Value::Bool(value),
        Json::Number(number) => match number.as_i64() {
            Some(value) => Value::Int(value),
            None => Value::Float(number.as_f64().unwrap_or(f64::NAN)),
        },
        Json::String(text) => Value::Str(text),
        Json::Array(list) => Value::List(list.into_iter().map(|item| from_json(item, span)).collect()),
        Json::Object(object) => {
            let entries = object.into_iter().map(|(text, value)| (Key { text, span }, from_json(value, span)));
            Value::Map(Map { entries: entries.collect(), faulty: Vec::new() })
        }
    };
    Node { value, span, style: Style::Template }
}
