//! YAML text as a tree in which every key and value knows where it is written.

use super::source::Span;

/// A value and where it is written.
#[derive(Debug, Clone, PartialEq)]
pub struct Node {
    /// The value.
    pub value: Value,
    /// Place in the file; for an alias, the place of its anchor.
    pub span: Span,
    /// Style in which the value is written.
    pub style: Style,
}

/// A YAML value.
#[derive(Debug, Clone, PartialEq)]
pub enum Value {
    /// Nothing, `~` or `null`.
    Null,
    /// `true` or `false`.
    Bool(bool),
    /// A whole number.
    Int(i64),
    /// Any other number.
    Float(f64),
    /// Text.
    Str(String),
    /// A list.
    List(Vec<Node>),
    /// A map.
    Map(Map),
}

/// A map in the order in which it is written. No key is there twice.
#[derive(Debug, Clone, PartialEq, Default)]
pub struct Map {
    /// Keys and values.
    pub entries: Vec<(Key, Node)>,
    /// Keys that were removed because of a reported error: their absence is no second error.
    pub faulty: Vec<String>,
}

/// Key of a map.
#[derive(Debug, Clone, PartialEq)]
pub struct Key {
    /// Text of the key.
    pub text: String,
    /// Place in the file.
    pub span: Span,
}

/// The style in which a value is written.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Style {
    /// Plainly: its type is resolved from its text.
    Plain,
    /// In quotes or as a block: always text.
    Quoted,
    /// As a template that is wholly one expression: its type is the expression's, and it may stand
    /// for the text it prints as.
    Template,
}

impl Node {
    /// Returns the map, if the value is one.
    pub fn map(&self) -> Option<&Map> {
        match &self.value {
            Value::Map(map) => Some(map),
            _ => None,
        }
    }

    /// Returns the entries of a list; none if the value is something else.
    pub fn list(&self) -> &[Node] {
        match &self.value {
            Value::List(list) => list,
            _ => &[],
        }
    }

    /// Returns the text, if the value is one.
    pub fn text(&self) -> Option<&str> {
        match &self.value {
            Value::Str(text) => Some(text),
            _ => None,
        }
    }

    /// Returns the value of a key, if this is a map that has it.
    pub fn get(&self, key: &str) -> Option<&Node> {
        self.map()?.entries.iter().find(|(name, _)| name.text == key).map(|(_, value)| value)
    }

    /// Returns the key itself, if this is a map that has it.
    pub fn key(&self, key: &str) -> Option<&Key> {
        self.map()?.entries.iter().find(|(name, _)| name.text == key).map(|(name, _)| name)
    }

    /// Returns a copy with only those entries of a map that are to be kept. Other values stay unchanged.
    pub fn filtered(&self, keep: impl Fn(&str) -> bool) -> Self {
        let mut node = self.clone();
        if let Value::Map(map) = &mut node.value {
            map.entries.retain(|(key, _)| keep(&key.text));
        }
        node
    }

    /// Moves all places in the tree by a number of bytes, as if other files were before this one.
    pub fn shift(&mut self, by: usize) {
        let moved = |span: Span| Span { start: span.start + by, end: span.end + by };
        self.span = moved(self.span);
        match &mut self.value {
            Value::List(list) => list.iter_mut().for_each(|node| node.shift(by)),
            Value::Map(map) => map.entries.iter_mut().for_each(|(key, node)| {
                key.span = moved(key.span);
                node.shift(by);
            }),
            _ => {}
        }
    }

    /// Describes the value with an article, for an error message: ``integer `12` ``, `a map`.
    pub fn describe(&self) -> String {
        match &self.value {
            Value::Null => "nothing".to_owned(),
            Value::Bool(value) => format!("boolean `{value}`"),
            Value::Int(value) => format!("integer `{value}`"),
            Value::Float(value) => format!("number `{value}`"),
            Value::Str(value) => format!("string `{}`", shortened(value)),
            Value::List(_) => "a list".to_owned(),
            Value::Map(_) => "a map".to_owned(),
        }
    }

    /// Returns a text, or any scalar that a template made, as text.
    pub fn printed(&self) -> Option<String> {
        match (&self.value, self.style) {
            (Value::Str(text), _) => Some(text.clone()),
            (Value::Bool(value), Style::Template) => Some(value.to_string()),
            (Value::Int(value), Style::Template) => Some(value.to_string()),
            (Value::Float(value), Style::Template) => Some(value.to_string()),
            _ => None,
        }
    }
}

fn shortened(text: &str) -> String {
    match text.char_indices().nth(40) {
        Some((cut, _)) => format!("{}...", &text[..cut]),
        None => text.to_owned(),
    }
}
