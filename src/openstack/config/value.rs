//! Values of configuration files in Python's types, each with its place in the file.

use std::sync::Arc;

use indexmap::IndexMap;

use crate::yaml::{Source, Span};

/// A map in Python's order: a key that is set again keeps its position.
pub(super) type Map = IndexMap<String, Node>;

/// A value with its place.
#[derive(Clone)]
pub(super) struct Node {
    pub(super) value: Value,
    /// Place in a file; `None` for values that are in no file.
    pub(super) place: Option<Place>,
}

/// The place of a value in a file.
#[derive(Clone)]
pub(super) struct Place {
    pub(super) source: Arc<Source>,
    /// Byte range; `None` if the parser does not tell it.
    pub(super) span: Option<Span>,
}

/// A value in Python's types.
#[derive(Clone)]
pub(super) enum Value {
    Null,
    Bool(bool),
    /// A whole number of any size, as Python prints it.
    Int(String),
    /// Any other number, as Python prints it.
    Float(String),
    Text(String),
    /// A date, or a date with a time, as Python prints it.
    Time(String),
    /// Bytes, which no API takes.
    Bytes,
    List(Vec<Node>),
    Map(Map),
    /// An unreadable value, with the reason. It is an error only if its key is used.
    Fault(String),
}

impl Node {
    /// Makes a value that is in no file.
    pub(super) fn unwritten(value: Value) -> Self {
        Self { value, place: None }
    }

    pub(super) fn text(text: &str) -> Self {
        Self::unwritten(Value::Text(text.to_owned()))
    }

    /// Returns the map, if the value is one.
    pub(super) fn map(&self) -> Option<&Map> {
        match &self.value {
            Value::Map(map) => Some(map),
            _ => None,
        }
    }

    /// Returns a text, or the text of a number.
    pub(super) fn printed(&self) -> Option<String> {
        match &self.value {
            Value::Int(text) | Value::Float(text) | Value::Text(text) => Some(text.clone()),
            _ => None,
        }
    }

    /// Returns a scalar as Python's `str` prints it.
    pub(super) fn as_text(&self) -> Option<String> {
        match &self.value {
            Value::Bool(true) => Some("True".to_owned()),
            Value::Bool(false) => Some("False".to_owned()),
            Value::Time(text) => Some(text.clone()),
            _ => self.printed(),
        }
    }

    /// Returns whether the value is true in a condition of Python.
    pub(super) fn is_true(&self) -> bool {
        match &self.value {
            Value::Null => false,
            Value::Bool(truth) => *truth,
            Value::Int(number) => number != "0",
            Value::Float(number) => number != "0.0" && number != "-0.0",
            Value::Text(text) => !text.is_empty(),
            Value::List(list) => !list.is_empty(),
            Value::Map(map) => !map.is_empty(),
            Value::Time(_) | Value::Bytes | Value::Fault(_) => true,
        }
    }

    /// Describes the type of the value for messages. They never show the value, which may be a secret.
    pub(super) fn kind(&self) -> &'static str {
        match &self.value {
            Value::Null => "nothing",
            Value::Bool(true) => "the boolean `true`",
            Value::Bool(false) => "the boolean `false`",
            Value::Int(_) => "a whole number",
            Value::Float(_) => "a number",
            Value::Text(_) => "a text",
            Value::Time(_) => "a date",
            Value::Bytes => "bytes",
            Value::List(_) => "a list",
            Value::Map(_) => "a map",
            Value::Fault(_) => "something that cannot be read",
        }
    }
}
