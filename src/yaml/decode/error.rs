//! Errors of decoding: the reasons why a type cannot be read from a tree.

use std::fmt;
use std::ops::{Deref, DerefMut};
use std::sync::Arc;

use serde::de::{self, Expected, Unexpected};

use crate::yaml::diagnostic::{Diagnostic, list, near};
use crate::yaml::source::{Source, Span};

/// The reason why a type cannot be read from a tree. It is in a box, because many results carry it.
#[derive(Debug)]
pub(super) struct Error(pub(super) Box<Fault>);

#[derive(Debug, Default)]
pub(super) struct Fault {
    pub(super) message: String,
    pub(super) help: Vec<String>,
    pub(super) span: Option<Span>,
    /// Indices of the entries that lead to the wrong one, innermost first.
    pub(super) path: Vec<usize>,
    /// Field that is missing.
    pub(super) missing: Option<&'static str>,
    /// Name that was probably meant.
    pub(super) meant: Option<String>,
    /// Whether the error follows from one that is reported already.
    pub(super) follows: bool,
}

impl Deref for Error {
    type Target = Fault;

    fn deref(&self) -> &Fault {
        &self.0
    }
}

impl DerefMut for Error {
    fn deref_mut(&mut self) -> &mut Fault {
        &mut self.0
    }
}

impl Error {
    pub(super) fn new(message: impl Into<String>) -> Self {
        Self(Box::new(Fault { message: message.into(), ..Fault::default() }))
    }

    pub(super) fn help(mut self, help: impl Into<String>) -> Self {
        self.help.push(help.into());
        self
    }

    /// Sets the place, unless an inner value has set it.
    pub(super) fn at(mut self, span: Span) -> Self {
        self.span.get_or_insert(span);
        self
    }

    /// Adds the index of the entry that leads to the wrong value.
    pub(super) fn under(mut self, index: usize) -> Self {
        self.path.push(index);
        self
    }

    fn unknown(kind: &str, name: &str, allowed: &'static [&'static str]) -> Self {
        let mut error = Self::new(format!("unknown {kind} `{name}`"));
        error.meant = near(name, allowed);
        if let Some(help) = error.meant.as_ref().map(|meant| format!("did you mean `{meant}`?")) {
            error.help.push(help);
        }
        error.help(format!("known here: {}", list(allowed)))
    }

    pub(super) fn into_diagnostic(self, root: Span, source: &Arc<Source>) -> Option<Diagnostic> {
        if self.follows {
            return None;
        }
        let diagnostic = Diagnostic::new(source, self.span.unwrap_or(root), &self.message);
        Some(self.help.iter().fold(diagnostic, Diagnostic::help))
    }
}

impl fmt::Display for Error {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.message)
    }
}

impl std::error::Error for Error {}

impl de::Error for Error {
    fn custom<T: fmt::Display>(message: T) -> Self {
        Self::new(message.to_string())
    }

    fn invalid_type(found: Unexpected<'_>, expected: &dyn Expected) -> Self {
        let found = match found {
            Unexpected::Bool(value) => format!("boolean `{value}`"),
            Unexpected::Unsigned(value) => format!("integer `{value}`"),
            Unexpected::Signed(value) => format!("integer `{value}`"),
            Unexpected::Float(value) => format!("number `{value}`"),
            Unexpected::Str(value) => format!("string `{value}`"),
            Unexpected::Unit | Unexpected::Option => "nothing".to_owned(),
            Unexpected::Seq => "a list".to_owned(),
            Unexpected::Map => "a map".to_owned(),
            other => other.to_string(),
        };
        Self::new(format!("expected {}, found {found}", expectation(expected)))
    }

    fn invalid_value(found: Unexpected<'_>, expected: &dyn Expected) -> Self {
        Self::invalid_type(found, expected)
    }

    fn unknown_variant(name: &str, allowed: &'static [&'static str]) -> Self {
        Self::unknown("name", name, allowed)
    }

    fn unknown_field(name: &str, allowed: &'static [&'static str]) -> Self {
        Self::unknown("key", name, allowed)
    }

    fn missing_field(field: &'static str) -> Self {
        let mut error = Self::new(format!("`{field}` is missing"));
        error.missing = Some(field);
        match field {
            "sha256" => error.help(
                "an image must be pinned: give the digest that `sha256sum` prints, or the URL of the SHA256SUMS file",
            ),
            _ => error,
        }
    }
}

/// Returns what a serde visitor expects, in words for recipe authors.
fn expectation(expected: &dyn Expected) -> String {
    let text = expected.to_string();
    match text.as_str() {
        "a boolean" => "`true` or `false`".to_owned(),
        "a sequence" => "a list".to_owned(),
        "u8" => "a whole number from 0 to 255".to_owned(),
        "u16" => "a whole number from 0 to 65535".to_owned(),
        "u32" => "a whole number from 0 to 4294967295".to_owned(),
        "u64" => "a whole number, not negative".to_owned(),
        "i64" => "a whole number".to_owned(),
        _ if text.starts_with("struct ") => "a map".to_owned(),
        _ => text,
    }
}
