//! Parsing: reads YAML text into the tree, within limits.
//!
//! Plain scalars resolve by the core schema of YAML 1.2: `no` and `on` are texts. The parser refuses features that recipes do
//! not need: tags, several documents, keys that are not scalars, values nested deeper than
//! [`MAX_DEPTH`](super::MAX_DEPTH), aliases that expand to more than [`MAX_NODES`](super::MAX_NODES) values.

use std::collections::HashMap;
use std::sync::Arc;

use granit_parser::Parser;

use super::diagnostic::Diagnostic;
use super::events::{self, Collection, Extent, MAX_BYTES, Read, Scalar, Schema};
use super::node::{Key, Map, Node, Style, Value};
use super::scalar::resolve;
use super::source::{Source, Span};

/// Reads a file. It returns the readable part even if there are errors, so that all come at once.
pub fn parse(source: &Arc<Source>) -> (Option<Node>, Vec<Diagnostic>) {
    if source.text().len() > MAX_BYTES {
        let message = format!("the file has {} bytes; at most {MAX_BYTES} are read", source.text().len());
        return (None, vec![Diagnostic::of_file(source, message)]);
    }
    let options = granit_parser::options! { disallow_directives: true, emit_comments: false };
    let parser = Parser::new_from_str_with_options(source.text(), options);
    let mut core = Core { source, errors: Vec::new() };
    let document = events::read(source, parser, &mut core);
    let mut errors = core.errors;
    let document = document.map_err(|error| errors.push(*error)).ok();
    (document, errors)
}

/// The core schema of YAML 1.2, without tags.
struct Core<'a> {
    source: &'a Arc<Source>,
    /// Errors after which reading goes on.
    errors: Vec<Diagnostic>,
}

/// A map, and where its keys are.
#[derive(Default)]
struct Entries {
    map: Map,
    seen: HashMap<String, Span>,
}

impl Core<'_> {
    fn fault(&self, span: Span, message: &str) -> Box<Diagnostic> {
        Box::new(Diagnostic::new(self.source, span, message))
    }
}

impl Schema for Core<'_> {
    type Node = Node;
    type Map = Entries;

    fn check_tag(&self, tag: Option<&str>, span: Span) -> Read<()> {
        match tag {
            Some(_) => Err(self.fault(span, "tags are not supported here: take the `!...` out")),
            None => Ok(()),
        }
    }

    fn scalar(&mut self, scalar: Scalar<'_>) -> Read<Node> {
        let Scalar { text, quoted, span, .. } = scalar;
        let value = if quoted {
            Value::Str(text.into_owned())
        } else {
            resolve(&text).map_err(|message| self.fault(span, &message))?
        };
        Ok(Node { value, span, style: if quoted { Style::Quoted } else { Style::Plain } })
    }

    fn list(&mut self, list: Vec<Node>, written: Collection) -> Node {
        Node { value: Value::List(list), span: written.span, style: Style::Plain }
    }

    fn is_key(&self, text: &str) -> bool {
        !text.is_empty()
    }

    fn entry(&mut self, entries: &mut Entries, key: Scalar<'_>, value: Node, _: Span) -> Read<()> {
        let key = Key { text: key.text.into_owned(), span: key.span };
        match entries.seen.get(&key.text) {
            Some(first) => self.errors.push(
                Diagnostic::new(self.source, key.span, format!("key `{}` is there twice", key.text))
                    .also(*first, "first here"),
            ),
            None => {
                entries.seen.insert(key.text.clone(), key.span);
                entries.map.entries.push((key, value));
            }
        }
        Ok(())
    }

    fn map(&mut self, entries: Entries, written: Collection) -> Node {
        Node { value: Value::Map(entries.map), span: written.span, style: Style::Plain }
    }

    fn empty(&self) -> Read<Node> {
        Err(Box::new(Diagnostic::of_file(self.source, "the file is empty")))
    }

    fn extent(node: &Node) -> Extent {
        match &node.value {
            Value::List(list) => Extent::around(list.iter().map(|node| (0, Self::extent(node)))),
            Value::Map(map) => {
                Extent::around(map.entries.iter().map(|(key, node)| (key.text.len(), Self::extent(node))))
            }
            Value::Str(text) => Extent::of_scalar(text.len()),
            _ => Extent::of_scalar(0),
        }
    }
}

#[cfg(test)]
#[path = "parse_tests.rs"]
mod tests;
