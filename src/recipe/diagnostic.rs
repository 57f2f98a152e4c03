//! Errors in recipes and elements: where they are, what is wrong, what to write instead.

use std::fmt;
use std::sync::Arc;

use annotate_snippets::{AnnotationKind, Group, Level, Origin, Renderer, Snippet};
use serde::Serialize;

use crate::text::printable;

/// A file whose text is pointed at.
#[derive(Debug, PartialEq, Eq)]
pub struct Source {
    name: String,
    text: String,
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
    /// A text and the name by which people know it, usually its path.
    pub fn new(name: impl Into<String>, text: impl Into<String>) -> Arc<Self> {
        Arc::new(Self { name: name.into(), text: text.into() })
    }

    /// The name.
    pub fn name(&self) -> &str {
        &self.name
    }

    /// The text.
    pub fn text(&self) -> &str {
        &self.text
    }

    /// Line and column of a byte. A byte beyond the end counts as the end.
    pub fn position(&self, byte: usize) -> Position {
        let before = &self.text[..self.floor(byte)];
        let line_start = before.rfind('\n').map_or(0, |newline| newline + 1);
        Position { line: before.matches('\n').count() + 1, column: before[line_start..].chars().count() + 1 }
    }

    /// The span cut at the end of its first line, so that a snippet stays short.
    fn first_line(&self, span: Span) -> Span {
        let start = self.floor(span.start);
        let rest = &self.text[start..self.floor(span.end).max(start)];
        let line = rest.split('\n').next().unwrap_or(rest).trim_end();
        Span { start, end: start + line.len() }
    }

    fn floor(&self, byte: usize) -> usize {
        let mut byte = byte.min(self.text.len());
        while !self.text.is_char_boundary(byte) {
            byte -= 1;
        }
        byte
    }
}

/// One error of a recipe or element.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Diagnostic {
    message: String,
    source: Arc<Source>,
    span: Option<Span>,
    label: String,
    labels: Vec<(Span, String)>,
    help: Vec<String>,
}

impl Diagnostic {
    /// An error at a place. The message is a lowercase fragment; control characters are taken out.
    pub fn new(source: &Arc<Source>, span: Span, message: impl AsRef<str>) -> Self {
        Self { span: Some(span), ..Self::of_file(source, message) }
    }

    /// An error of a file as a whole.
    pub fn of_file(source: &Arc<Source>, message: impl AsRef<str>) -> Self {
        Self {
            message: printable(message.as_ref().as_bytes()),
            source: source.clone(),
            span: None,
            label: String::new(),
            labels: Vec::new(),
            help: Vec::new(),
        }
    }

    /// Adds a few words beside the place itself.
    #[must_use]
    pub fn label(mut self, text: impl AsRef<str>) -> Self {
        self.label = printable(text.as_ref().as_bytes());
        self
    }

    /// Points at a second place of the same file.
    #[must_use]
    pub fn also(mut self, span: Span, text: impl AsRef<str>) -> Self {
        self.labels.push((span, printable(text.as_ref().as_bytes())));
        self
    }

    /// Adds what to do about it.
    #[must_use]
    pub fn help(mut self, text: impl AsRef<str>) -> Self {
        self.help.push(printable(text.as_ref().as_bytes()));
        self
    }

    /// Adds the name that was probably meant, if there is one.
    #[must_use]
    pub fn did_you_mean(self, near: Option<impl AsRef<str>>) -> Self {
        match near {
            Some(near) => self.help(format!("did you mean `{}`?", near.as_ref())),
            None => self,
        }
    }

    /// What is wrong.
    pub fn message(&self) -> &str {
        &self.message
    }

    /// Name of the file.
    pub fn file(&self) -> &str {
        self.source.name()
    }

    /// Where in the file it is; `None` if it concerns the file as a whole.
    pub fn position(&self) -> Option<Position> {
        self.span.map(|span| self.source.position(span.start))
    }

    /// The error with a snippet of its file, as rustc would show it. No newline at the end.
    pub fn render(&self, colour: bool) -> String {
        let mut group = Group::with_title(Level::ERROR.primary_title(self.message.as_str()));
        match self.span {
            Some(span) => {
                let span = self.source.first_line(span);
                let label = (!self.label.is_empty()).then_some(self.label.as_str());
                let primary = AnnotationKind::Primary.span(span.start..span.end).label(label);
                let others = self.labels.iter().map(|(span, text)| {
                    let span = self.source.first_line(*span);
                    AnnotationKind::Context.span(span.start..span.end).label(text.as_str())
                });
                let snippet = Snippet::source(self.source.text()).path(self.source.name());
                group = group.element(snippet.annotation(primary).annotations(others));
            }
            None => group = group.element(Origin::path(self.source.name())),
        }
        group = group.elements(self.help.iter().map(|help| Level::HELP.message(help.as_str())));
        let renderer = if colour { Renderer::styled() } else { Renderer::plain() };
        renderer.render(&[group])
    }
}

/// An error in the form of `--json`.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct DiagnosticRecord {
    /// What is wrong.
    pub message: String,
    /// Name of the file.
    pub file: String,
    /// Line, from 1; absent if the error concerns the file as a whole.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub line: Option<usize>,
    /// Column in characters, from 1.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub column: Option<usize>,
    /// What to do about it.
    pub help: Vec<String>,
}

/// All errors of a recipe and its elements, at least one, sorted by file and place.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Diagnostics(Vec<Diagnostic>);

impl Diagnostics {
    /// Sorts errors and drops those that say the same of the same place; `None` if there are none.
    /// The files come in the order in which they first appear.
    pub fn collect(found: Vec<Diagnostic>) -> Option<Self> {
        let mut files: Vec<Arc<Source>> = Vec::new();
        let mut distinct: Vec<Diagnostic> = Vec::new();
        for diagnostic in found {
            if !files.contains(&diagnostic.source) {
                files.push(diagnostic.source.clone());
            }
            let same = |other: &Diagnostic| {
                other.span == diagnostic.span
                    && other.message == diagnostic.message
                    && other.source == diagnostic.source
            };
            if !distinct.iter().any(same) {
                distinct.push(diagnostic);
            }
        }
        distinct.sort_by_key(|diagnostic| {
            (files.iter().position(|file| *file == diagnostic.source), diagnostic.span.map(|span| span.start))
        });
        (!distinct.is_empty()).then_some(Self(distinct))
    }

    /// Each error.
    pub fn iter(&self) -> std::slice::Iter<'_, Diagnostic> {
        self.0.iter()
    }

    /// Number of errors.
    #[expect(clippy::len_without_is_empty, reason = "there is always at least one")]
    pub fn len(&self) -> usize {
        self.0.len()
    }

    /// Every error with its snippet, an empty line between them. No newline at the end.
    pub fn render(&self, colour: bool) -> String {
        self.0.iter().map(|diagnostic| diagnostic.render(colour)).collect::<Vec<_>>().join("\n\n")
    }

    /// The errors in the form of `--json`.
    pub fn records(&self) -> Vec<DiagnosticRecord> {
        self.0
            .iter()
            .map(|diagnostic| DiagnosticRecord {
                message: diagnostic.message.clone(),
                file: diagnostic.file().to_owned(),
                line: diagnostic.position().map(|position| position.line),
                column: diagnostic.position().map(|position| position.column),
                help: diagnostic.help.clone(),
            })
            .collect()
    }
}

impl IntoIterator for Diagnostics {
    type Item = Diagnostic;
    type IntoIter = std::vec::IntoIter<Diagnostic>;

    fn into_iter(self) -> Self::IntoIter {
        self.0.into_iter()
    }
}

impl From<Diagnostic> for Diagnostics {
    fn from(diagnostic: Diagnostic) -> Self {
        Self(vec![diagnostic])
    }
}

impl fmt::Display for Diagnostics {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.render(false))
    }
}

impl std::error::Error for Diagnostics {}

/// The candidate nearest to a name that is not one of them, if any is near enough to be meant.
pub(crate) fn near<S: AsRef<str>>(name: &str, candidates: impl IntoIterator<Item = S>) -> Option<String> {
    let limit = (name.chars().count() / 3).max(1);
    candidates
        .into_iter()
        .map(|candidate| (strsim::damerau_levenshtein(name, candidate.as_ref()), candidate))
        .filter(|(distance, _)| *distance <= limit)
        .min_by_key(|(distance, _)| *distance)
        .map(|(_, candidate)| candidate.as_ref().to_owned())
}

/// Names as a list for a sentence: `` `a`, `b`, `c` ``.
pub(crate) fn list<S: AsRef<str>>(names: impl IntoIterator<Item = S>) -> String {
    names.into_iter().map(|name| format!("`{}`", name.as_ref())).collect::<Vec<_>>().join(", ")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn positions_count_lines_and_characters_from_one() {
        let source = Source::new("x.yaml", "a: ö\nbc: d\n");
        for (byte, line, column) in [(0, 1, 1), (3, 1, 4), (5, 1, 5), (6, 2, 1), (10, 2, 5), (99, 3, 1)] {
            assert_eq!(source.position(byte), Position { line, column }, "{byte}");
        }
    }

    #[test]
    fn an_error_shows_its_line_and_what_to_do() {
        let source = Source::new("x.yaml", "one: 1\ntwo: 2\nthree:\n  - 3\n");
        let diagnostic = Diagnostic::new(&source, Span { start: 7, end: 99 }, "unknown key `two`")
            .label("here")
            .also(Span { start: 0, end: 3 }, "first")
            .did_you_mean(Some("too"));
        insta::assert_snapshot!(diagnostic.render(false), @r"
        error: unknown key `two`
         --> x.yaml:2:1
          |
        1 | one: 1
          | --- first
        2 | two: 2
          | ^^^^^^ here
          |
          = help: did you mean `too`?
        ");
        assert!(diagnostic.render(true).contains("\u{1b}["));
    }

    #[test]
    fn what_a_terminal_would_obey_is_not_passed_on() {
        let source = Source::new("x.yaml", "");
        assert_eq!(Diagnostic::of_file(&source, "bad \u{1b}[2Jkey").message(), "bad key");
    }

    #[test]
    fn errors_are_sorted_and_said_once() {
        let (a, b) = (Source::new("a", "xxxx"), Source::new("b", "xxxx"));
        let at = |source, start| Diagnostic::new(source, Span { start, end: start + 1 }, "bad");
        let all = Diagnostics::collect(vec![at(&a, 2), at(&b, 0), at(&a, 1), at(&a, 2)]).expect("there are errors");
        let places: Vec<_> = all.records().into_iter().map(|record| (record.file, record.column)).collect();
        let place = |file: &str, column| (file.to_owned(), Some(column));
        assert_eq!(places, [place("a", 2), place("a", 3), place("b", 1)]);
        assert_eq!(Diagnostics::collect(Vec::new()), None);
    }

    #[test]
    fn near_names_are_near() {
        for (name, near_name) in [("pth", Some("path")), ("contnet", Some("content")), ("zzz", None), ("", None)] {
            assert_eq!(near(name, ["path", "content", "mode"]).as_deref(), near_name, "{name}");
        }
    }
}
