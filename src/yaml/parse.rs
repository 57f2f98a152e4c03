//! Parsing: reads YAML text into the tree, within limits.
//!
//! Plain scalars resolve by the core schema of YAML 1.2: `no` and `on` are texts. The parser refuses features that recipes do
//! not need: tags, several documents, keys that are not scalars, values nested deeper than [`MAX_DEPTH`], aliases that expand
//! to more than [`MAX_NODES`] values.

use std::collections::HashMap;
use std::sync::Arc;

use granit_parser::{Event, Parser, ScalarStyle, StrInput};

use super::diagnostic::Diagnostic;
use super::node::{Key, Map, Node, Style, Value};
use super::scalar::resolve;
use super::source::{Source, Span};

/// Largest file, in bytes.
pub const MAX_BYTES: usize = 1 << 20;
/// Deepest nesting of lists and maps.
pub const MAX_DEPTH: usize = 48;
/// Most values of a file, aliases expanded.
pub const MAX_NODES: usize = 100_000;
/// Most bytes of text that the aliases of a file stand for.
pub const MAX_ALIASED: usize = 4 << 20;

/// Reads a file. It returns the readable part even if there are errors, so that all come at once.
pub fn parse(source: &Arc<Source>) -> (Option<Node>, Vec<Diagnostic>) {
    if source.text().len() > MAX_BYTES {
        let message = format!("the file has {} bytes; at most {MAX_BYTES} are read", source.text().len());
        return (None, vec![Diagnostic::of_file(source, message)]);
    }
    let options = granit_parser::options! { disallow_directives: true, emit_comments: false };
    let mut reader = Reader {
        source,
        parser: Parser::new_from_str_with_options(source.text(), options),
        anchors: HashMap::new(),
        nodes: 0,
        aliased: 0,
        errors: Vec::new(),
    };
    match reader.document() {
        Ok(node) => (Some(node), reader.errors),
        Err(error) => {
            reader.errors.push(*error);
            (None, reader.errors)
        }
    }
}

type Read<T> = Result<T, Box<Diagnostic>>;

struct Reader<'a> {
    source: &'a Arc<Source>,
    parser: Parser<'a, StrInput<'a>>,
    anchors: HashMap<usize, Node>,
    nodes: usize,
    aliased: usize,
    errors: Vec<Diagnostic>,
}

impl<'a> Reader<'a> {
    fn document(&mut self) -> Read<Node> {
        let mut document = None;
        loop {
            let (event, span) = self.event()?;
            match event {
                Event::StreamStart | Event::DocumentEnd => {}
                Event::DocumentStart(..) if document.is_some() => {
                    return Err(self.fault(span, "a second document: a file holds one"));
                }
                Event::DocumentStart(..) => {
                    let (event, span) = self.event()?;
                    document = Some(self.node(event, span, 0)?);
                }
                Event::StreamEnd => break,
                _ => return Err(self.fault(span, "this is not part of any document")),
            }
        }
        document.ok_or_else(|| Box::new(Diagnostic::of_file(self.source, "the file is empty")))
    }

    fn event(&mut self) -> Read<(Event<'a>, Span)> {
        match self.parser.next_event() {
            Some(Ok((event, span))) => {
                let range = span.byte_range().unwrap_or_default();
                Ok((event, Span { start: range.start, end: range.end }))
            }
            Some(Err(error)) => {
                let start = error.marker().byte_offset().unwrap_or(self.source.text().len());
                let mut fault = self.fault(Span { start, end: start + 1 }, &format!("not YAML: {}", error.info()));
                if self.source.text()[..start.min(self.source.text().len())].lines().last().is_some_and(leads_with_tab)
                    || self.source.text().get(start..).is_some_and(|rest| rest.starts_with('\t'))
                {
                    *fault = fault.help("indent with spaces: YAML does not allow tabs there");
                }
                Err(fault)
            }
            None => Err(Box::new(Diagnostic::of_file(self.source, "the file ends in the middle of a value"))),
        }
    }

    fn node(&mut self, event: Event<'a>, span: Span, depth: usize) -> Read<Node> {
        self.count(1, span)?;
        if event.tag().is_some() {
            return Err(self.fault(span, "tags are not supported here: take the `!...` out"));
        }
        if depth >= MAX_DEPTH {
            return Err(self.fault(span, &format!("nested deeper than {MAX_DEPTH} lists and maps")));
        }
        let anchor = event.anchor_id();
        let node = match event {
            Event::Scalar(text, style, ..) => self.scalar(&text, style, span)?,
            Event::SequenceStart(..) => self.list(span, depth)?,
            Event::MappingStart(..) => self.map(span, depth)?,
            Event::Alias(id) => self.alias(id, span, depth)?,
            _ => return Err(self.fault(span, "a value is expected here")),
        };
        if let Some(id) = anchor.filter(|id| *id != 0) {
            self.anchors.insert(id, node.clone());
        }
        Ok(node)
    }

    fn list(&mut self, span: Span, depth: usize) -> Read<Node> {
        let mut list = Vec::new();
        loop {
            match self.event()? {
                (Event::SequenceEnd, end) => {
                    let span = Span { start: span.start, end: end.end.max(span.end) };
                    return Ok(Node { value: Value::List(list), span, style: Style::Plain });
                }
                (event, span) => list.push(self.node(event, span, depth + 1)?),
            }
        }
    }

    fn map(&mut self, span: Span, depth: usize) -> Read<Node> {
        let mut map = Map::default();
        let mut seen: HashMap<String, Span> = HashMap::new();
        loop {
            let key = match self.event()? {
                (Event::MappingEnd, end) => {
                    let span = Span { start: span.start, end: end.end.max(span.end) };
                    return Ok(Node { value: Value::Map(map), span, style: Style::Plain });
                }
                (Event::Scalar(text, ..), span) if !text.is_empty() => Key { text: text.into_owned(), span },
                (_, span) => return Err(self.fault(span, "a key must be a word")),
            };
            self.count(1, key.span)?;
            let (event, span) = self.event()?;
            let value = self.node(event, span, depth + 1)?;
            match seen.get(&key.text) {
                Some(first) => self.errors.push(
                    Diagnostic::new(self.source, key.span, format!("key `{}` is there twice", key.text))
                        .also(*first, "first here"),
                ),
                None => {
                    seen.insert(key.text.clone(), key.span);
                    map.entries.push((key, value));
                }
            }
        }
    }

    fn alias(&mut self, id: usize, span: Span, depth: usize) -> Read<Node> {
        let Some(node) = self.anchors.get(&id).cloned() else {
            return Err(self.fault(span, "this alias stands for a value that contains it"));
        };
        let (nodes, height) = extent(&node);
        self.count(nodes, span)?;
        self.aliased += text_bytes(&node);
        if self.aliased > MAX_ALIASED {
            let message = format!("the aliases up to here stand for more than {MAX_ALIASED} bytes");
            return Err(Box::new(self.fault(span, &message).help("use shorter texts, or fewer aliases")));
        }
        if depth + height > MAX_DEPTH {
            return Err(self.fault(span, &format!("nested deeper than {MAX_DEPTH} lists and maps")));
        }
        Ok(node)
    }

    fn count(&mut self, nodes: usize, span: Span) -> Read<()> {
        self.nodes += nodes;
        if self.nodes > MAX_NODES {
            let message = format!("the file stands for more than {MAX_NODES} values");
            return Err(self.fault(span, &message));
        }
        Ok(())
    }

    fn scalar(&self, text: &str, style: ScalarStyle, span: Span) -> Read<Node> {
        let quoted = style != ScalarStyle::Plain;
        let value = if quoted {
            Value::Str(text.to_owned())
        } else {
            resolve(text).map_err(|message| self.fault(span, &message))?
        };
        Ok(Node { value, span, style: if quoted { Style::Quoted } else { Style::Plain } })
    }

    fn fault(&self, span: Span, message: &str) -> Box<Diagnostic> {
        Box::new(Diagnostic::new(self.source, span, message))
    }
}

/// Counts the bytes of all texts and keys of a value.
fn text_bytes(node: &Node) -> usize {
    match &node.value {
        Value::Str(text) => text.len(),
        Value::List(list) => list.iter().map(text_bytes).sum(),
        Value::Map(map) => map.entries.iter().map(|(key, value)| key.text.len() + text_bytes(value)).sum(),
        _ => 0,
    }
}

fn leads_with_tab(line: &str) -> bool {
    line.trim_start_matches(' ').starts_with('\t')
}

/// Returns the number of nodes and the depth of a tree.
fn extent(node: &Node) -> (usize, usize) {
    let children: Vec<(usize, usize)> = match &node.value {
        Value::List(list) => list.iter().map(extent).collect(),
        Value::Map(map) => map.entries.iter().map(|(_, value)| extent(value)).collect(),
        _ => Vec::new(),
    };
    let nodes = children.iter().map(|(nodes, _)| nodes).sum::<usize>();
    let depth = children.iter().map(|(_, depth)| *depth).max().unwrap_or(0);
    (nodes + 1, depth + 1)
}

#[cfg(test)]
#[path = "parse_tests.rs"]
mod tests;
