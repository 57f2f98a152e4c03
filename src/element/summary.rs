//! What an element does, in a few words for each part of its file. Templates stay as they are, because only a recipe decides them.

use super::library::Element;
use super::schema::Steps;
use crate::yaml::{Node, Value};

impl Element {
    /// Returns the packages, by distribution or family, in the order of the file.
    pub fn packages(&self) -> Vec<(String, Vec<String>)> {
        entries(self.node.get("packages")).map(|(name, packages)| (name, items(packages))).collect()
    }

    /// Returns the actions of each phase, in the order in which the phases run.
    pub fn steps(&self) -> Vec<(String, Vec<String>)> {
        let steps = self.node.get("steps");
        let actions = |phase: &str| steps.and_then(|steps| steps.get(phase)).map(items);
        Steps::PHASES.iter().filter_map(|phase| Some(((*phase).to_owned(), actions(phase)?))).collect()
    }

    /// Returns the checks.
    pub fn checks(&self) -> Vec<String> {
        self.node.get("checks").map(items).unwrap_or_default()
    }
}

fn entries(node: Option<&Node>) -> impl Iterator<Item = (String, &Node)> {
    node.and_then(Node::map).into_iter().flat_map(|map| &map.entries).map(|(key, value)| (key.text.clone(), value))
}

/// Describes the entries of a list; a template may stand for the list.
fn items(list: &Node) -> Vec<String> {
    match list.text() {
        Some(template) => vec![template.to_owned()],
        None => list.list().iter().map(described).collect(),
    }
}

/// Describes an entry: a text, or a map with one key besides `when`.
fn described(entry: &Node) -> String {
    let Some(map) = entry.map() else { return scalar(entry).unwrap_or_default() };
    let Some((key, detail)) = map.entries.iter().find(|(key, _)| key.text != "when") else { return String::new() };
    let subject = ["path", "script", "from", "name", "pattern"].iter().find_map(|key| scalar(detail.get(key)?));
    let first = || match detail.map() {
        Some(map) => map.entries.first().map(|(key, value)| format!("{} {}", key.text, joined(value))),
        None => Some(joined(detail)),
    };
    let subject = subject.or_else(first).unwrap_or_default();
    let line = subject.lines().next().unwrap_or_default().trim_end();
    let more = if line.len() < subject.trim_end().len() { " ..." } else { "" };
    let when = entry.get("when").and_then(scalar).map_or_else(String::new, |when| format!(" (when {when})"));
    format!("{} {line}{more}{when}", key.text)
}

fn joined(node: &Node) -> String {
    match node.list() {
        [] => scalar(node).unwrap_or_default(),
        list => list.iter().filter_map(scalar).collect::<Vec<_>>().join(" "),
    }
}

fn scalar(node: &Node) -> Option<String> {
    match &node.value {
        Value::Str(text) => Some(text.clone()),
        Value::Bool(value) => Some(value.to_string()),
        Value::Int(value) => Some(value.to_string()),
        Value::Float(value) => Some(value.to_string()),
        Value::Null | Value::List(_) | Value::Map(_) => None,
    }
}
