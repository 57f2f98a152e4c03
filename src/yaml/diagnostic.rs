//! Errors in files: where they are, what is wrong, what to write instead.

use std::collections::HashSet;
use std::fmt;
use std::sync::Arc;

use annotate_snippets::{AnnotationKind, Group, Level, Origin, Renderer, Snippet};
use serde::Serialize;

use super::source::{Position, Source, Span};
use crate::address::masked;
use crate::text::{hidden_shown, printable};

/// Words at a second place.
#[derive(Debug, Clone, PartialEq, Eq)]
struct Label {
    source: Arc<Source>,
    span: Span,
    text: String,
}

/// One error of a file.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Diagnostic {
    message: String,
    /// What spans are places of: the file, or all files that are read as one.
    whole: Arc<Source>,
    /// The file.
    source: Arc<Source>,
    span: Option<Span>,
    label: String,
    labels: Vec<Label>,
    help: Vec<String>,
}

impl Diagnostic {
    /// Makes an error at a place. The message is in lower case; control characters are removed.
    pub fn new(source: &Arc<Source>, span: Span, message: impl AsRef<str>) -> Self {
        let (file, span) = source.located(span);
        Self { span: Some(span), source: file, ..Self::of_file(source, message) }
    }

    /// Makes an error of a file as a whole.
    pub fn of_file(source: &Arc<Source>, message: impl AsRef<str>) -> Self {
        Self {
            message: brief(message),
            whole: Arc::clone(source),
            source: source.located(Span::default()).0,
            span: None,
            label: String::new(),
            labels: Vec::new(),
            help: Vec::new(),
        }
    }

    /// Adds a few words beside the place itself.
    #[must_use]
    pub fn label(mut self, text: impl AsRef<str>) -> Self {
        self.label = brief(text);
        self
    }

    /// Points at a second place, of the same file or of one that is read as one with it.
    #[must_use]
    pub fn also(mut self, span: Span, text: impl AsRef<str>) -> Self {
        let (source, span) = self.whole.located(span);
        self.labels.push(Label { source, span, text: brief(text) });
        self
    }

    /// Adds a hint.
    #[must_use]
    pub fn help(mut self, text: impl AsRef<str>) -> Self {
        self.help.push(brief(text));
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

    /// Returns what distinguishes the error from others.
    pub(crate) fn identity(&self) -> (&str, Option<(usize, usize)>, &str) {
        (self.file(), self.span.map(|span| (span.start, span.end)), &self.message)
    }

    /// Returns the message.
    pub fn message(&self) -> &str {
        &self.message
    }

    /// Returns the name of the file.
    pub fn file(&self) -> &str {
        self.source.name()
    }

    /// Returns the place in the file; `None` if the error concerns the file as a whole.
    pub fn position(&self) -> Option<Position> {
        self.span.map(|span| self.source.position(span.start))
    }

    /// Renders the error with a snippet of its file, as rustc does. No newline at the end.
    pub fn render(&self, colour: bool) -> String {
        let mut group = Group::with_title(Level::ERROR.primary_title(self.message.as_str()));
        match self.span {
            Some(span) => {
                let span = self.source.first_line(span);
                let here = self.labels.iter().filter(|label| Arc::ptr_eq(&label.source, &self.source));
                let others: Vec<_> =
                    here.map(|label| (self.source.first_line(label.span), label.text.as_str())).collect();
                let all = || others.iter().map(|(span, _)| *span).chain([span]);
                let begin = self.source.line_start(all().map(|span| span.start).min().unwrap_or(span.start));
                let end = self.source.line_end(all().map(|span| span.end).max().unwrap_or(span.end));
                let Position { line, column } = self.source.position(span.start);
                if end - begin > MAX_SNIPPET || self.source.is_hidden() {
                    let origin = Origin::path(self.source.name()).line(line).char_column(column);
                    group = group.element(origin);
                } else {
                    let within = |span: Span| span.start - begin..span.end - begin;
                    let label = (!self.label.is_empty()).then_some(self.label.as_str());
                    let primary = AnnotationKind::Primary.span(within(span)).label(label);
                    let others =
                        others.iter().map(|(span, text)| AnnotationKind::Context.span(within(*span)).label(*text));
                    let snippet = Snippet::source(masked(&self.source.text()[begin..end]));
                    let snippet = snippet.line_start(self.source.position(begin).line).path(self.source.name());
                    group = group.element(snippet.annotation(primary).annotations(others));
                }
                for label in self.labels.iter().filter(|label| !Arc::ptr_eq(&label.source, &self.source)) {
                    group = label.shown(group);
                }
            }
            None => group = group.element(Origin::path(self.source.name())),
        }
        group = group.elements(self.help.iter().map(|help| Level::HELP.message(help.as_str())));
        let renderer = if colour { Renderer::styled() } else { Renderer::plain() };
        // The lines of the file are shown unchanged, except for invisible characters.
        hidden_shown(&renderer.render(&[group]))
    }
}

impl Label {
    /// Shows a place in another file than the error's own.
    fn shown<'a>(&'a self, group: Group<'a>) -> Group<'a> {
        let span = self.source.first_line(self.span);
        let (begin, end) = (self.source.line_start(span.start), self.source.line_end(span.end));
        let Position { line, column } = self.source.position(span.start);
        if end - begin > MAX_SNIPPET || self.source.is_hidden() {
            return group.element(Origin::path(self.source.name()).line(line).char_column(column));
        }
        let annotation = AnnotationKind::Context.span(span.start - begin..span.end - begin).label(self.text.as_str());
        let snippet = Snippet::source(masked(&self.source.text()[begin..end])).line_start(line);
        group.element(snippet.path(self.source.name()).annotation(annotation))
    }
}

/// An error in the form of `--json`.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct DiagnosticRecord {
    /// Message of the error.
    pub message: String,
    /// Name of the file.
    pub file: String,
    /// Line, from 1; absent if the error concerns the file as a whole.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub line: Option<usize>,
    /// Column in characters, from 1.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub column: Option<usize>,
    /// Hints for the user.
    pub help: Vec<String>,
}

/// All errors of one or several files, at least one, sorted by file and place.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Diagnostics {
    shown: Vec<Diagnostic>,
    /// Number of errors that are not shown.
    more: usize,
}

/// Most errors that are shown, and kept.
const MAX_SHOWN: usize = 100;

/// Most bytes of a file that are shown with an error.
const MAX_SNIPPET: usize = 16 << 10;

/// Most characters of a message, which may quote a stranger's file.
const MAX_MESSAGE: usize = 1000;

/// Longest name for which similar names are searched.
const MAX_NAME: usize = 64;

/// Makes a message printable and not too long.
fn brief(text: impl AsRef<str>) -> String {
    let text = printable(text.as_ref().as_bytes());
    match text.char_indices().nth(MAX_MESSAGE) {
        Some((cut, _)) => format!("{}...", &text[..cut]),
        None => text,
    }
}

impl Diagnostics {
    /// Sorts errors and drops those with the same message at the same place; `None` if there are none. Files keep the order in
    /// which they first appear. The first hundred errors are kept, the others counted.
    pub fn collect(found: Vec<Diagnostic>) -> Option<Self> {
        let mut files: Vec<Arc<Source>> = Vec::new();
        let mut seen = HashSet::new();
        let mut distinct: Vec<(usize, Diagnostic)> = Vec::new();
        for diagnostic in found {
            let same = |file: &Arc<Source>| Arc::ptr_eq(file, &diagnostic.source) || *file == diagnostic.source;
            let file = files.iter().position(same).unwrap_or_else(|| {
                files.push(diagnostic.source.clone());
                files.len() - 1
            });
            let place = diagnostic.span.map(|span| (span.start, span.end));
            if seen.insert((file, place, diagnostic.message.clone())) {
                distinct.push((file, diagnostic));
            }
        }
        distinct.sort_by_key(|(file, diagnostic)| (*file, diagnostic.span.map(|span| span.start)));
        let more = distinct.len().saturating_sub(MAX_SHOWN);
        distinct.truncate(MAX_SHOWN);
        let shown: Vec<_> = distinct.into_iter().map(|(_, diagnostic)| diagnostic).collect();
        (!shown.is_empty()).then_some(Self { shown, more })
    }

    /// Returns a message about the errors that are not shown.
    fn rest(&self) -> Option<String> {
        match self.more {
            0 => None,
            1 => Some("1 more error is not shown: mend these first".to_owned()),
            more => Some(format!("{more} more errors are not shown: mend these first")),
        }
    }

    /// Returns an iterator over the errors that are shown.
    pub fn iter(&self) -> std::slice::Iter<'_, Diagnostic> {
        self.shown.iter()
    }

    /// Returns the number of errors.
    #[expect(clippy::len_without_is_empty, reason = "there is always at least one")]
    pub fn len(&self) -> usize {
        self.shown.len() + self.more
    }

    /// Renders every error with its snippet, an empty line between them. No newline at the end.
    pub fn render(&self, colour: bool) -> String {
        let mut texts: Vec<_> = self.shown.iter().map(|diagnostic| diagnostic.render(colour)).collect();
        texts.extend(self.rest());
        texts.join("\n\n")
    }

    /// Returns the errors in the form of `--json`.
    pub fn records(&self) -> Vec<DiagnosticRecord> {
        let record = |diagnostic: &Diagnostic| DiagnosticRecord {
            message: diagnostic.message.clone(),
            file: diagnostic.file().to_owned(),
            line: diagnostic.position().map(|position| position.line),
            column: diagnostic.position().map(|position| position.column),
            help: diagnostic.help.clone(),
        };
        let mut records: Vec<_> = self.shown.iter().map(record).collect();
        if let (Some(message), Some(last)) = (self.rest(), self.shown.last()) {
            let file = last.file().to_owned();
            records.push(DiagnosticRecord { message, file, line: None, column: None, help: Vec::new() });
        }
        records
    }
}

impl IntoIterator for Diagnostics {
    type Item = Diagnostic;
    type IntoIter = std::vec::IntoIter<Diagnostic>;

    fn into_iter(self) -> Self::IntoIter {
        self.shown.into_iter()
    }
}

impl From<Diagnostic> for Diagnostics {
    fn from(diagnostic: Diagnostic) -> Self {
        Self { shown: vec![diagnostic], more: 0 }
    }
}

impl fmt::Display for Diagnostics {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.render(false))
    }
}

impl std::error::Error for Diagnostics {}

/// Returns the candidate that is most similar to a name, if one is similar enough to be meant.
pub(crate) fn near<S: AsRef<str>>(name: &str, candidates: impl IntoIterator<Item = S>) -> Option<String> {
    let length = name.chars().count();
    let limit = (length / 3).max(1);
    // The time grows with the product of the lengths.
    candidates
        .into_iter()
        .filter(|candidate| length <= MAX_NAME && candidate.as_ref().len() <= 2 * MAX_NAME)
        .map(|candidate| (strsim::damerau_levenshtein(name, candidate.as_ref()), candidate))
        .filter(|(distance, _)| *distance <= limit)
        .min_by_key(|(distance, _)| *distance)
        .map(|(_, candidate)| candidate.as_ref().to_owned())
}

/// Joins names to a list for a sentence: `` `a`, `b`, `c` ``.
pub(crate) fn list<S: AsRef<str>>(names: impl IntoIterator<Item = S>) -> String {
    names.into_iter().map(|name| format!("`{}`", name.as_ref())).collect::<Vec<_>>().join(", ")
}

#[cfg(test)]
#[path = "diagnostic_tests.rs"]
mod tests;
