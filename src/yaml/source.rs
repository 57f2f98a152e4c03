//! Texts of files, and places in them.

use std::fmt;
use std::sync::Arc;

use serde::Serialize;

/// A file with its name and its text, at which errors point.
#[derive(PartialEq, Eq)]
pub struct Source {
    name: String,
    text: String,
    /// Whether the text must not be shown, because it may have secrets anywhere.
    hidden: bool,
}

impl fmt::Debug for Source {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Source").field("name", &self.name).field("bytes", &self.text.len()).finish()
    }
}

/// A range of bytes of a [`Source`].
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
        Arc::new(Self { name: name.into(), text: text.into(), hidden: false })
    }

    /// Makes a source of a text that has secrets. Errors name places in it, and do not show it.
    pub fn hidden(name: impl Into<String>, text: impl Into<String>) -> Arc<Self> {
        Arc::new(Self { name: name.into(), text: text.into(), hidden: true })
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
