//! Reads the events of a YAML parser and makes values of them, with the limits that hold for every file. A [`Schema`] decides
//! what scalars and maps mean.

use std::borrow::Cow;
use std::collections::HashMap;
use std::sync::Arc;

use granit_parser::{Event, Parser, ScalarStyle, StrInput};

use super::diagnostic::Diagnostic;
use super::source::{Source, Span};

/// Largest file, in bytes.
pub const MAX_BYTES: usize = 1 << 20;
/// Deepest nesting of lists and maps.
pub const MAX_DEPTH: usize = 48;
/// Most values of a file, aliases expanded.
pub const MAX_NODES: usize = 100_000;
/// Most bytes of text that the aliases of a file stand for.
pub const MAX_ALIASED: usize = 4 << 20;

/// What was read, or why nothing more can be.
pub(crate) type Read<T> = Result<T, Box<Diagnostic>>;

/// A scalar as it is written.
pub(crate) struct Scalar<'a> {
    pub(crate) text: Cow<'a, str>,
    pub(crate) quoted: bool,
    pub(crate) tag: Option<String>,
    pub(crate) span: Span,
}

/// A list or a map as it is written.
pub(crate) struct Collection {
    pub(crate) tag: Option<String>,
    /// Where it begins: its first mark, or its first entry.
    pub(crate) start: Span,
    /// From its beginning to its end.
    pub(crate) span: Span,
}

/// How much a value is.
#[derive(Debug, Clone, Copy, Default)]
pub(crate) struct Extent {
    pub(crate) nodes: usize,
    pub(crate) height: usize,
    /// Of all texts and keys.
    pub(crate) bytes: usize,
}

impl Extent {
    /// That of a scalar with so many bytes.
    pub(crate) fn of_scalar(bytes: usize) -> Self {
        Self { nodes: 1, height: 1, bytes }
    }

    /// That of a list or a map of these values, each with the length of its key.
    pub(crate) fn around(below: impl Iterator<Item = (usize, Self)>) -> Self {
        let all = below.fold(Self::default(), |sum, (key, extent)| Self {
            nodes: sum.nodes + extent.nodes,
            height: sum.height.max(extent.height),
            bytes: sum.bytes + key + extent.bytes,
        });
        Self { nodes: all.nodes + 1, height: all.height + 1, ..all }
    }
}

/// What the parts of a file mean.
pub(crate) trait Schema {
    /// A value.
    type Node: Clone;
    /// A map that is being read.
    type Map: Default;

    /// Refuses the tag of a value where values have none.
    fn check_tag(&self, tag: Option<&str>, span: Span) -> Read<()>;
    fn scalar(&mut self, scalar: Scalar<'_>) -> Read<Self::Node>;
    fn list(&mut self, list: Vec<Self::Node>, written: Collection) -> Self::Node;
    /// Whether a text can be a key.
    fn is_key(&self, text: &str) -> bool;
    /// Adds to a map; the place is the value's.
    fn entry(&mut self, map: &mut Self::Map, key: Scalar<'_>, value: Self::Node, span: Span) -> Read<()>;
    fn map(&mut self, map: Self::Map, written: Collection) -> Self::Node;
    /// What a file without a document is.
    fn empty(&self) -> Read<Self::Node>;
    fn extent(node: &Self::Node) -> Extent;
}

/// Reads a file.
pub(crate) fn read<'a, S: Schema>(
    source: &'a Arc<Source>,
    parser: Parser<'a, StrInput<'a>>,
    schema: &mut S,
) -> Read<S::Node> {
    Reader { source, parser, schema, anchors: HashMap::new(), nodes: 0, aliased: 0 }.document()
}

struct Reader<'a, 's, S: Schema> {
    source: &'a Arc<Source>,
    parser: Parser<'a, StrInput<'a>>,
    schema: &'s mut S,
    anchors: HashMap<usize, S::Node>,
    nodes: usize,
    aliased: usize,
}

impl<'a, S: Schema> Reader<'a, '_, S> {
    fn document(&mut self) -> Read<S::Node> {
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
        document.map_or_else(|| self.schema.empty(), Ok)
    }

    fn event(&mut self) -> Read<(Event<'a>, Span)> {
        match self.parser.next_event() {
            Some(Ok((event, span))) => {
                let range = span.byte_range().unwrap_or_default();
                Ok((event, Span { start: range.start, end: range.end }))
            }
            Some(Err(error)) => {
                let text = self.source.text();
                let start = error.marker().byte_offset().unwrap_or(text.len()).min(text.len());
                let tab = leading_tab(text, start, error.info().contains("tab"));
                let start = tab.unwrap_or(start);
                let mut fault = self.fault(Span { start, end: start + 1 }, &format!("not YAML: {}", error.info()));
                if tab.is_some() {
                    *fault = fault.help("indent with spaces: YAML does not allow tabs there");
                }
                Err(fault)
            }
            None => Err(Box::new(Diagnostic::of_file(self.source, "the file ends in the middle of a value"))),
        }
    }

    fn node(&mut self, event: Event<'a>, span: Span, depth: usize) -> Read<S::Node> {
        self.count(1, span)?;
        let tag = event.tag().map(ToString::to_string);
        self.schema.check_tag(tag.as_deref(), span)?;
        if depth >= MAX_DEPTH {
            return Err(self.fault(span, &format!("nested deeper than {MAX_DEPTH} lists and maps")));
        }
        let anchor = event.anchor_id();
        let node = match event {
            Event::Scalar(text, style, ..) => {
                self.schema.scalar(Scalar { text, quoted: style != ScalarStyle::Plain, tag, span })?
            }
            Event::SequenceStart(..) => self.list(tag, span, depth)?,
            Event::MappingStart(..) => self.map(tag, span, depth)?,
            Event::Alias(id) => return self.alias(id, span, depth),
            _ => return Err(self.fault(span, "a value is expected here")),
        };
        if let Some(id) = anchor.filter(|id| *id != 0) {
            self.anchors.insert(id, node.clone());
        }
        Ok(node)
    }

    fn list(&mut self, tag: Option<String>, start: Span, depth: usize) -> Read<S::Node> {
        let mut list = Vec::new();
        loop {
            match self.event()? {
                (Event::SequenceEnd, end) => return Ok(self.schema.list(list, collection(tag, start, end))),
                (event, span) => list.push(self.node(event, span, depth + 1)?),
            }
        }
    }

    fn map(&mut self, tag: Option<String>, start: Span, depth: usize) -> Read<S::Node> {
        let mut map = S::Map::default();
        loop {
            let key = match self.event()? {
                (Event::MappingEnd, end) => return Ok(self.schema.map(map, collection(tag, start, end))),
                (Event::Scalar(text, style, _, tag), span) if self.schema.is_key(&text) => {
                    let tag = tag.map(|tag| tag.to_string());
                    Scalar { text, quoted: style != ScalarStyle::Plain, tag, span }
                }
                (_, span) => return Err(self.fault(span, "a key must be a word")),
            };
            self.count(1, key.span)?;
            let (event, span) = self.event()?;
            let value = self.node(event, span, depth + 1)?;
            self.schema.entry(&mut map, key, value, span)?;
        }
    }

    fn alias(&mut self, id: usize, span: Span, depth: usize) -> Read<S::Node> {
        let Some(node) = self.anchors.get(&id).cloned() else {
            return Err(self.fault(span, "this alias stands for a value that contains it"));
        };
        let extent = S::extent(&node);
        self.count(extent.nodes, span)?;
        self.aliased += extent.bytes;
        if self.aliased > MAX_ALIASED {
            let message = format!("the aliases up to here stand for more than {MAX_ALIASED} bytes");
            return Err(Box::new(self.fault(span, &message).help("use shorter texts, or fewer aliases")));
        }
        if depth + extent.height > MAX_DEPTH {
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

    fn fault(&self, span: Span, message: &str) -> Box<Diagnostic> {
        Box::new(Diagnostic::new(self.source, span, message))
    }
}

fn collection(tag: Option<String>, start: Span, end: Span) -> Collection {
    Collection { tag, start, span: Span { start: start.start, end: end.end.max(start.end) } }
}

/// Returns the place of a tab that indents the line of an error. The parser may report a line before: the one before, or if it speaks of
/// a tab itself, the one where the value begins.
fn leading_tab(text: &str, start: usize, is_named: bool) -> Option<usize> {
    let before = text.get(..start)?;
    let line = before.rfind('\n').map_or(0, |newline| newline + 1);
    let next = start + text[start..].len() - text[start..].trim_start_matches([' ', '\r', '\n']).len();
    let of_next = text[..next].rfind('\n').map_or(0, |newline| newline + 1);
    let further = text[line..].match_indices('\n').map(|(newline, _)| line + newline + 1).take_while(|_| is_named);
    [line, of_next].into_iter().chain(further).find_map(|line| {
        let indented = text[line..].trim_start_matches(' ');
        indented.starts_with('\t').then(|| text.len() - indented.len())
    })
}
