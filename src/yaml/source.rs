//! Texts of files, and places in them.

use std::fmt;
use std::sync::Arc;

use serde::Serialize;

/// A file with its name and its text, at which errors point; or several files that are read as one.
#[derive(PartialEq, Eq)]
pub struct Source {
    name: String,
    text: String,
    /// Whether the text must not be shown, because it may have secrets anywhere.
    hidden: bool,
    /// The files, each with the byte at which it begins; none if there is only this one.
    parts: Vec<(usize, Arc<Source>)>,
}

impl fmt::Debug for Source {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Source").field("name", &self.name).field("bytes", &self.text.len()).finish()
    }
}

/// A range of bytes of a [`Source`]. The bytes of several files that are read as one follow each other.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Default)]
pub struct Span {
    /// First byte.
    pub start: usize,
    /// Byte after the last.
    pub end: usize,
}

/// A place in a text, for people: both numbers begin at 1, columns count characters.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
pub struct Position {
    /// Line.
    pub line: usize,
    /// Column.
    pub column: usize,
}

impl Source {
    /// Makes a source of a text and the name by which people know it, usually its path.
    pub fn new(name: impl Into<String>, text: impl Into<String>) -> Arc<Self> {
        Arc::new(Self { name: name.into(), text: text.into(), hidden: false, parts: Vec::new() })
    }

    /// Makes a source of a text that has secrets. Errors name places in it, and do not show it.
    pub fn hidden(name: impl Into<String>, text: impl Into<String>) -> Arc<Self> {
        Arc::new(Self { name: name.into(), text: text.into(), hidden: true, parts: Vec::new() })
    }

    /// Makes a source of files that are read as one, with the name of the first. Each file begins one byte after the end of the file
    /// before it.
    pub fn joined(files: &[Arc<Source>]) -> Arc<Self> {
        let mut end = 0;
        let place = |file: &Arc<Source>| {
            let start = end;
            end += file.text.len() + 1;
            (start, Arc::clone(file))
        };
        let parts: Vec<_> = files.iter().map(place).collect();
        let (name, hidden) = files.first().map_or((String::new(), false), |first| (first.name.clone(), first.hidden));
        Arc::new(Self { name, text: String::new(), hidden, parts })
    }

    /// Returns the number of the file that has a byte, from 0.
    pub fn number(&self, byte: usize) -> usize {
        self.parts.partition_point(|(start, _)| *start <= byte).saturating_sub(1)
    }

    /// Returns the file that has the first byte of a span, and the span in this file.
    pub(super) fn located(self: &Arc<Self>, span: Span) -> (Arc<Self>, Span) {
        match self.parts.get(self.number(span.start)) {
            Some((start, file)) => {
                let within = |byte: usize| byte.saturating_sub(*start);
                (Arc::clone(file), Span { start: within(span.start), end: within(span.end) })
            }
            None => (Arc::clone(self), span),
        }
    }

    /// Returns the text of a span; `None` if it is not the span of a text.
    pub(crate) fn written(self: &Arc<Self>, span: Span) -> Option<String> {
        let (file, span) = self.located(span);
        file.text.get(span.start..span.end).map(str::to_owned)
    }

    /// Returns whether the text has secrets.
    pub(super) fn is_hidden(&self) -> bool {
        self.hidden
    }

    /// Returns the name.
    pub fn name(&self) -> &str {
        &self.name
    }

    /// Returns the text.
    pub fn text(&self) -> &str {
        &self.text
    }

    /// Returns line and column of a byte. A byte beyond the end counts as the end.
    pub fn position(&self, byte: usize) -> Position {
        let before = &self.text[..self.floor(byte)];
        let line_start = before.rfind('\n').map_or(0, |newline| newline + 1);
        Position { line: before.matches('\n').count() + 1, column: before[line_start..].chars().count() + 1 }
    }

    /// Returns the span cut at the end of its first line, so that a snippet stays short.
    pub(super) fn first_line(&self, span: Span) -> Span {
        let start = self.floor(span.start);
        let rest = &self.text[start..self.floor(span.end).max(start)];
        let line = rest.split('\n').next().unwrap_or(rest).trim_end();
        Span { start, end: start + line.len() }
    }

    /// Returns where the line of a byte begins.
    pub(super) fn line_start(&self, byte: usize) -> usize {
        self.text[..self.floor(byte)].rfind('\n').map_or(0, |newline| newline + 1)
    }

    /// Returns where the line of a byte ends.
    pub(super) fn line_end(&self, byte: usize) -> usize {
        let byte = self.floor(byte);
        self.text[byte..].find('\n').map_or(self.text.len(), |newline| byte + newline)
    }

    fn floor(&self, byte: usize) -> usize {
        let mut byte = byte.min(self.text.len());
        while !self.text.is_char_boundary(byte) {
            byte -= 1;
        }
        byte
    }
}
