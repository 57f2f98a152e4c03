//! Renders the templates of a tree.

use std::sync::Arc;

use minijinja::ErrorKind;

use super::budget;
use super::engine::{Engine, Failure};
use super::json::from_json;
use super::variables::Variables;
use crate::yaml::{Diagnostic, Map, Node, Source, Span, Style, Value, list, near};

/// Renders a tree. Entries whose template has an error are removed, and the errors are added to `found`. Returns `None` if the
/// tree itself is such a template, or if the templates have no budget left: checking the rest would be work too.
pub(crate) fn render(
    node: &Node,
    variables: &Variables,
    source: &Arc<Source>,
    found: &mut Vec<Diagnostic>,
) -> Option<Node> {
    let engine = Engine::new(&variables.values, Arc::clone(&variables.budget));
    let rendered = Rendering { engine, variables, source, found }.node(node);
    rendered.filter(|_| !variables.budget.is_spent())
}

struct Rendering<'a> {
    engine: Engine<'a>,
    variables: &'a Variables,
    source: &'a Arc<Source>,
    found: &'a mut Vec<Diagnostic>,
}

impl Rendering<'_> {
    fn node(&mut self, node: &Node) -> Option<Node> {
        let value = match &node.value {
            Value::Str(text) => return self.scalar(text, node),
            Value::List(list) => Value::List(list.iter().filter_map(|item| self.item(item)).collect()),
            Value::Map(map) => Value::Map(self.map(map)),
            other => other.clone(),
        };
        Some(Node { value, ..node.clone() })
    }

    fn map(&mut self, map: &Map) -> Map {
        let mut rendered = Map { entries: Vec::with_capacity(map.entries.len()), faulty: map.faulty.clone() };
        for (key, value) in &map.entries {
            match self.node(value) {
                Some(value) => rendered.entries.push((key.clone(), value)),
                None => rendered.faulty.push(key.text.clone()),
            }
        }
        rendered
    }

    /// An entry of a list; `None` if it is dropped.
    fn item(&mut self, item: &Node) -> Option<Node> {
        let Some(condition) = item.get("when") else { return self.node(item) };
        if !self.condition(condition)? {
            return None;
        }
        self.node(&item.filtered(|key| key != "when"))
    }

    /// Evaluates a condition; `None` if it has an error.
    fn condition(&mut self, node: &Node) -> Option<bool> {
        let value = match &node.value {
            Value::Bool(value) => return Some(*value),
            Value::Str(text) => {
                let text = text.trim();
                self.expression(sole_expression(text).unwrap_or(text), node)?
            }
            _ => {
                let message = format!("`when` needs an expression, found {}", node.describe());
                self.found.push(Diagnostic::new(self.source, node.span, message));
                return None;
            }
        };
        match serde_json::to_value(&value) {
            Ok(serde_json::Value::Bool(value)) => Some(value),
            _ => {
                let message = format!("`when` must be true or false, and is `{value}`");
                let diagnostic = Diagnostic::new(self.source, node.span, message);
                self.found.push(diagnostic.help("compare it: `when: \"family == 'debian'\"`"));
                None
            }
        }
    }

    fn scalar(&mut self, text: &str, node: &Node) -> Option<Node> {
        if !["{{", "{%", "{##"].iter().any(|start| text.contains(start)) {
            return Some(node.clone());
        }
        if let Some(expression) = sole_expression(text) {
            let value = self.expression(expression, node)?;
            return match serde_json::to_value(&value) {
                Ok(value) => Some(from_json(value, node.span)),
                Err(error) => {
                    let message = format!("the value of this template cannot be used: {error}");
                    self.found.push(Diagnostic::new(self.source, node.span, message));
                    None
                }
            };
        }
        if self.engine.is_spent() {
            return None; // the first template without budget was reported
        }
        match self.engine.text(text) {
            Ok(text) => Some(Node { value: Value::Str(text), span: node.span, style: Style::Quoted }),
            Err(failure) => {
                self.fault(failure, text, node);
                None
            }
        }
    }

    fn expression(&mut self, text: &str, node: &Node) -> Option<minijinja::Value> {
        if self.engine.is_spent() {
            return None;
        }
        match self.engine.expression(text) {
            Ok(value) => Some(value),
            Err(failure) => {
                self.fault(failure, text, node);
                None
            }
        }
    }

    /// Reports why a template failed.
    fn fault(&mut self, failure: Failure, text: &str, node: &Node) {
        let Failure { error, names, excess, range } = failure;
        let span = self.place(&error, range.or_else(|| error.range()), text, node);
        if let Some(excess) = excess {
            self.found.push(Diagnostic::new(self.source, span, excess.message()).help(excess.help()));
            return;
        }
        if self.engine.is_spent() {
            let excess = budget::Excess::Recipe;
            self.found.push(Diagnostic::new(self.source, span, excess.message()).help(excess.help()));
            return;
        }
        let builtin = Engine::functions();
        let unknown: Vec<String> = names
            .into_iter()
            .filter(|name| !self.variables.values.contains_key(name) && !builtin.contains(&name.as_str()))
            .collect();
        if unknown.iter().any(|name| self.variables.faulty.contains(name)) {
            return;
        }
        let lacking = super::super::os_names::lacking(text, self.variables.values.get("os"));
        if error.kind() != ErrorKind::SyntaxError && !lacking.is_empty() {
            for one in lacking {
                let span = self.find(&one.name, node.span).unwrap_or(span);
                let diagnostic = Diagnostic::new(self.source, span, format!("there is no `{}` here", one.name));
                self.found.push(diagnostic.did_you_mean(one.meant).help(one.help));
            }
            return;
        }
        if error.kind() != ErrorKind::UndefinedError || unknown.is_empty() {
            let detail = error.detail().map_or(String::new(), |detail| format!(": {detail}"));
            let message = match error.kind() {
                ErrorKind::UndefinedError if error.detail().is_none() => format!("`{text}` has no value"),
                ErrorKind::OutOfFuel => "this template takes too long: it loops too often".to_owned(),
                kind => format!("template: {kind}{detail}"),
            };
            let diagnostic = Diagnostic::new(self.source, span, message);
            self.found.push(match error.kind() {
                ErrorKind::OutOfFuel => diagnostic.help("loop over fewer items, or write the text out"),
                ErrorKind::UnknownFilter | ErrorKind::UnknownTest | ErrorKind::UnknownFunction => diagnostic
                    .help("the reference of recipes lists the filters, tests and functions that templates have"),
                _ => diagnostic,
            });
            return;
        }
        for name in unknown {
            let span = self.find(&name, span).or_else(|| self.find(&name, node.span)).unwrap_or(span);
            let diagnostic = Diagnostic::new(self.source, span, format!("unknown name `{name}` in a template"));
            self.found.push(if self.variables.withheld.contains(&name.as_str()) {
                diagnostic.help("only parameters can be used here: this part of the recipe decides the built-ins")
            } else {
                let known = self.variables.values.keys();
                let diagnostic = diagnostic.did_you_mean(near(&name, known.clone()));
                match self.variables.values.is_empty() {
                    true => diagnostic.help("no names can be used here"),
                    false => diagnostic.help(format!("known here: {}", list(known))),
                }
            });
        }
    }

    /// Finds the place of an error in the file, as exactly as quoting and indentation allow.
    fn place(&self, error: &minijinja::Error, range: Option<std::ops::Range<usize>>, text: &str, node: &Node) -> Span {
        let written = self.source.written(node.span).unwrap_or_default();
        if let (Some(start), Some(range)) = (written.find(text), range)
            && range.end <= text.len()
            && range.start < range.end
        {
            let start = node.span.start + start;
            return Span { start: start + range.start, end: start + range.end };
        }
        // A block is indented, so it is found line by line.
        let line = error.line().and_then(|line| text.lines().nth(line - 1)).map_or("", str::trim);
        match written.find(line) {
            Some(start) if !line.is_empty() => {
                Span { start: node.span.start + start, end: node.span.start + start + line.len() }
            }
            _ => node.span,
        }
    }

    /// The first place of a name as a whole word.
    fn find(&self, name: &str, within: Span) -> Option<Span> {
        let text = self.source.written(within)?;
        let word = |c: char| c.is_alphanumeric() || c == '_';
        text.match_indices(name)
            .find(|(start, _)| !text[..*start].ends_with(word) && !text[start + name.len()..].starts_with(word))
            .map(|(start, _)| Span { start: within.start + start, end: within.start + start + name.len() })
    }
}

/// The expression of a text that is `{{ expression }}` and nothing else.
fn sole_expression(text: &str) -> Option<&str> {
    let inner = text.strip_prefix("{{")?.strip_suffix("}}")?;
    let single = !["{{", "}}", "{%"].iter().any(|mark| inner.contains(mark));
    single.then(|| inner.trim_matches('-').trim())
}
