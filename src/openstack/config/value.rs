//! Values of configuration files as Python has them, each with the place where it is written.

use std::sync::Arc;

use indexmap::IndexMap;

use crate::yaml::{Source, Span};

/// A map in the order of Python's: a key that is set again keeps its place.
pub(super) type Map = IndexMap<String, Node>;

/// A value and where it is written.
#[derive(Clone)]
pub(super) struct Node {
    pub(super) value: Value,
    /// `None` for what no file says.
    pub(super) place: Option<Place>,
}

/// Where a value is written.
#[derive(Clone)]
pub(super) struct Place {
    pub(super) source: Arc<Source>,
    /// `None` where the file's reader does not tell.
    pub(super) span: Option<Span>,
}

/// A value.
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
    /// Bytes: no API takes them.
    Bytes,
    List(Vec<Node>),
    Map(Map),
    /// What cannot be read, and why: of no account while nobody asks for it.
    Fault(String),
}

impl Node {
    /// What no file says.
    pub(super) fn unwritten(value: Value) -> Self {
        Self { value, place: None }
    }

    pub(super) fn text(text: &str) -> Self {
        Self::unwritten(Value::Text(text.to_owned()))
    }

    /// The map, if it is one.
    pub(super) fn map(&self) -> Option<&Map> {
        match &self.value {
            Value::Map(map) => Some(map),
            _ => None,
        }
    }

    /// The text of a text or a number.
    pub(super) fn printed(&self) -> Option<String> {
        match &self.value {
            Value::Int(text) | Value::Float(text) | Value::Text(text) => Some(text.clone()),
            _ => None,
        }
    }

    /// What Python's `str` makes of a scalar.
    pub(super) fn as_text(&self) -> Option<String> {
        match &self.value {
            Value::Bool(true) => Some("True".to_owned()),
            Value::Bool(false) => Some("False".to_owned()),
            Value::Time(text) => Some(text.clone()),
            _ => self.printed(),
        }
    }

    /// Whether it is true in a condition of Python.
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

    /// What it is, for messages: never the value itself, which may be a secret.
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
