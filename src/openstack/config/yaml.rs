//! Configuration files as PyYAML and Python's `json` read them: YAML 1.1 with merge keys, and the last of several equal keys.
//!
//! A value that cannot be read is no error of its file: only the code that uses it reports the error.

use std::collections::HashMap;
use std::sync::Arc;

use granit_parser::{Event, Parser, ScalarStyle, StrInput};

use super::scalar::{construct, printed, type_of};
use super::value::{Map, Node, Place, Value};
use crate::yaml::{Diagnostic, Source, Span};
use crate::yaml::{MAX_ALIASED, MAX_BYTES, MAX_DEPTH, MAX_NODES};

/// Prefix of the tags of YAML's own types.
const TAGS: &str = "tag:yaml.org,2002:";

type Read<T> = Result<T, Box<Diagnostic>>;

/// Reads a file; an empty one is an empty map.
pub(super) fn parse(source: &Arc<Source>) -> Read<Map> {
    let length = source.text().len();
    if length > MAX_BYTES {
        let message = format!("the file has {length} bytes; at most {MAX_BYTES} are read");
        return Err(Box::new(Diagnostic::of_file(source, message)));
    }
    let root = if source.name().ends_with(".json") { json(source)? } else { yaml(source)? };
    match root.value {
        Value::Map(map) => Ok(map),
        Value::Null => Ok(Map::new()),
        _ => {
            let message = format!("the file is {}; it must be a map with the key `clouds`", root.kind());
            Err(Box::new(Diagnostic::of_file(source, message)))
        }
    }
}

fn yaml(source: &Arc<Source>) -> Read<Node> {
    // A byte order mark at the beginning is no problem: the parser skips it, as PyYAML does.
    let options = granit_parser::options! { emit_comments: false };
    let parser = Parser::new_from_str_with_options(source.text(), options);
    let mut reader = Reader { source, parser, anchors: HashMap::new(), nodes: 0, aliased: 0 };
    reader.document()
}

struct Reader<'a> {
    source: &'a Arc<Source>,
    parser: Parser<'a, StrInput<'a>>,
    anchors: HashMap<usize, Node>,
    nodes: usize,
    aliased: usize,
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
        Ok(document.unwrap_or(Node::unwritten(Value::Null)))
    }

    fn event(&mut self) -> Read<(Event<'a>, Span)> {
        match self.parser.next_event() {
            Some(Ok((event, span))) => {
                let range = span.byte_range().unwrap_or_default();
                Ok((event, Span { start: range.start, end: range.end }))
            }
            Some(Err(error)) => {
                let start = error.marker().byte_offset().unwrap_or(self.source.text().len());
                Err(self.fault(Span { start, end: start + 1 }, &format!("not YAML: {}", error.info())))
            }
            None => Err(Box::new(Diagnostic::of_file(self.source, "the file ends in the middle of a value"))),
        }
    }

    fn node(&mut self, event: Event<'a>, span: Span, depth: usize) -> Read<Node> {
        self.count(1, span)?;
        if depth >= MAX_DEPTH {
            return Err(self.fault(span, &format!("nested deeper than {MAX_DEPTH} lists and maps")));
        }
        let anchor = event.anchor_id();
        let tag = event.tag().map(ToString::to_string).filter(|tag| tag != "!");
        let kind = tag.as_deref().map(|tag| tag.strip_prefix(TAGS).unwrap_or("unknown").to_owned());
        let kind = kind.as_deref();
        let value = match event {
            Event::Scalar(text, style, ..) => construct(kind.unwrap_or_else(|| plain(&text, style)), &text),
            Event::SequenceStart(..) => {
                let list = self.list(depth)?;
                if matches!(kind, None | Some("seq")) { Value::List(list) } else { unfit() }
            }
            Event::MappingStart(..) => {
                let map = self.map(depth)?;
                if matches!(kind, None | Some("map")) { Value::Map(map) } else { unfit() }
            }
            Event::Alias(id) => return self.alias(id, span, depth),
            _ => return Err(self.fault(span, "a value is expected here")),
        };
        let node = self.placed(value, span);
        if let Some(id) = anchor.filter(|id| *id != 0) {
            self.anchors.insert(id, node.clone());
        }
        Ok(node)
    }

    fn placed(&self, value: Value, span: Span) -> Node {
        Node { value, place: Some(Place { source: self.source.clone(), span: Some(span) }) }
    }

    fn list(&mut self, depth: usize) -> Read<Vec<Node>> {
        let mut list = Vec::new();
        loop {
            match self.event()? {
                (Event::SequenceEnd, _) => return Ok(list),
                (event, span) => list.push(self.node(event, span, depth + 1)?),
            }
        }
    }

    fn map(&mut self, depth: usize) -> Read<Map> {
        let (mut merged, mut own) = (Map::new(), Map::new());
        loop {
            let (key, merges) = match self.event()? {
                // Merged entries come first, and the map's own entries have precedence.
                (Event::MappingEnd, _) => {
                    merged.extend(own);
                    return Ok(merged);
                }
                (Event::Scalar(text, style, _, tag), span) => {
                    self.count(1, span)?;
                    let merges = match &tag {
                        Some(tag) => tag.to_string() == format!("{TAGS}merge"),
                        None => style == ScalarStyle::Plain && text == "<<",
                    };
                    (text.into_owned(), merges)
                }
                (_, span) => return Err(self.fault(span, "a key must be a word")),
            };
            let (event, span) = self.event()?;
            let value = self.node(event, span, depth + 1)?;
            if merges {
                self.merge(&mut merged, value, span)?;
            } else {
                own.insert(key, value);
            }
        }
    }

    /// Adds the entries of a map to another one, or those of a list of maps, of which the first has precedence. In PyYAML 6.0.4
    /// the last one has, against YAML and all its other versions.
    fn merge(&mut self, merged: &mut Map, value: Node, span: Span) -> Read<()> {
        let unfit = "only a map, or a list of maps, can be merged by `<<`";
        match value.value {
            Value::Map(map) => merged.extend(map),
            Value::List(list) => {
                for node in list.into_iter().rev() {
                    let Value::Map(map) = node.value else { return Err(self.fault(span, unfit)) };
                    merged.extend(map);
                }
            }
            _ => return Err(self.fault(span, unfit)),
        }
        Ok(())
    }

    fn alias(&mut self, id: usize, span: Span, depth: usize) -> Read<Node> {
        let Some(node) = self.anchors.get(&id).cloned() else {
            return Err(self.fault(span, "this alias stands for a value that contains it"));
        };
        let extent = extent(&node);
        self.count(extent.nodes, span)?;
        self.aliased += extent.bytes;
        if self.aliased > MAX_ALIASED {
            return Err(self.fault(span, &format!("the aliases up to here stand for more than {MAX_ALIASED} bytes")));
        }
        if depth + extent.height > MAX_DEPTH {
            return Err(self.fault(span, &format!("nested deeper than {MAX_DEPTH} lists and maps")));
        }
        Ok(node)
    }

    fn count(&mut self, nodes: usize, span: Span) -> Read<()> {
        self.nodes += nodes;
        if self.nodes > MAX_NODES {
            return Err(self.fault(span, &format!("the file stands for more than {MAX_NODES} values")));
        }
        Ok(())
    }

    fn fault(&self, span: Span, message: &str) -> Box<Diagnostic> {
        Box::new(Diagnostic::new(self.source, span, message))
    }
}

fn plain(text: &str, style: ScalarStyle) -> &'static str {
    if style == ScalarStyle::Plain { type_of(text) } else { "str" }
}

fn unfit() -> Value {
    Value::Fault("nothing here has a tag like this".to_owned())
}

struct Extent {
    nodes: usize,
    height: usize,
    bytes: usize,
}

fn extent(node: &Node) -> Extent {
    let below: Vec<(usize, Extent)> = match &node.value {
        Value::List(list) => list.iter().map(|node| (0, extent(node))).collect(),
        Value::Map(map) => map.iter().map(|(key, node)| (key.len(), extent(node))).collect(),
        Value::Text(text) => return Extent { nodes: 1, height: 1, bytes: text.len() },
        _ => return Extent { nodes: 1, height: 1, bytes: 0 },
    };
    Extent {
        nodes: 1 + below.iter().map(|(_, below)| below.nodes).sum::<usize>(),
        height: 1 + below.iter().map(|(_, below)| below.height).max().unwrap_or(0),
        bytes: below.iter().map(|(key, below)| key + below.bytes).sum(),
    }
}

fn json(source: &Arc<Source>) -> Read<Node> {
    serde_json::from_str(source.text()).map(|value| of_json(value, source)).map_err(|error| {
        let before = source.text().split_inclusive('\n').take(error.line().saturating_sub(1)).map(str::len);
        let start = before.sum::<usize>() + error.column().saturating_sub(1);
        let message = format!("not JSON: {:?}", error.classify()).to_lowercase();
        Box::new(Diagnostic::new(source, Span { start, end: start + 1 }, message))
    })
}

fn of_json(value: serde_json::Value, source: &Arc<Source>) -> Node {
    let value = match value {
        serde_json::Value::Null => Value::Null,
        serde_json::Value::Bool(truth) => Value::Bool(truth),
        serde_json::Value::Number(number) => match number.as_f64() {
            // Python reads whole numbers of any size; this parser rounds them above this limit.
            Some(float) if number.is_f64() && float.abs() >= 2f64.powi(63) => {
                Value::Fault("a number this large is not read exactly: put quotes around it".to_owned())
            }
            Some(float) if number.is_f64() => Value::Float(printed(float)),
            _ => Value::Int(number.to_string()),
        },
        serde_json::Value::String(text) => Value::Text(text),
        serde_json::Value::Array(list) => Value::List(list.into_iter().map(|value| of_json(value, source)).collect()),
        serde_json::Value::Object(map) => {
            Value::Map(map.into_iter().map(|(key, value)| (key, of_json(value, source))).collect())
        }
    };
    Node { value, place: Some(Place { source: source.clone(), span: None }) }
}
