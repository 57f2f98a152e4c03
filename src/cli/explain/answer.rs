//! An answer of `goldsmith explain`, for people and for programs.

use serde_json::{Map, Value, json};

use crate::cli::output::columns;
use crate::text::printable;

/// An answer: a first line, then facts, each with a name.
#[derive(Debug)]
pub(super) struct Answer {
    title: String,
    facts: Vec<(&'static str, Vec<String>)>,
    json: Map<String, Value>,
}

impl Answer {
    /// Makes an answer about a thing of a kind, such as a `step`.
    pub(super) fn new(kind: &'static str, name: &str, title: String) -> Self {
        let json = Map::from_iter([("kind".to_owned(), json!(kind)), ("name".to_owned(), json!(name))]);
        Self { title, facts: Vec::new(), json }
    }

    /// Adds a fact in one line.
    pub(super) fn fact(&mut self, name: &'static str, line: impl Into<String>) {
        self.facts(name, vec![line.into()]);
    }

    /// Adds a fact in several lines; none at all is no fact.
    pub(super) fn facts(&mut self, name: &'static str, lines: Vec<String>) {
        if !lines.is_empty() {
            self.facts.push((name, lines));
        }
    }

    /// Adds a value for programs.
    pub(super) fn value(&mut self, name: &str, value: Value) {
        self.json.insert(name.to_owned(), value);
    }

    /// Returns the text, which is safe to print.
    pub(super) fn text(&self) -> String {
        let mut rows = Vec::new();
        for (name, lines) in &self.facts {
            for (number, line) in lines.iter().enumerate() {
                let name = if number == 0 { *name } else { "" };
                rows.push(vec![format!("  {name}"), printable(line.as_bytes())]);
            }
        }
        format!("{}\n{}", printable(self.title.as_bytes()), columns(&rows))
    }

    /// Returns the object for programs.
    pub(super) fn json(&self) -> &Map<String, Value> {
        &self.json
    }
}
