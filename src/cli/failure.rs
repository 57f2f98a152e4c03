//! Failures of commands: their exit codes, and their texts for people and for programs.

use std::error::Error;
use std::fmt;

use serde::{Deserialize, Serialize};

use crate::cli::terminal::{Style, Terminal};
use crate::text::{Redactor, printable_lines};

/// The exit codes of `goldsmith`. They are part of its interface.
pub mod exit {
    /// The command succeeded.
    pub const OK: u8 = 0;
    /// `goldsmith diff`: the two images differ.
    pub const DIFFERENT: u8 = 1;
    /// The command line is wrong.
    pub const USAGE: u8 = 2;
    /// The recipe, an element or an image file has errors.
    pub const RECIPE: u8 = 10;
    /// This host lacks a program, a library, disk space or the network.
    pub const HOST: u8 = 11;
    /// A step failed, or the guest died.
    pub const BUILD: u8 = 12;
    /// A check of the image failed.
    pub const VERIFICATION: u8 = 13;
    /// The image could not be published.
    pub const PUBLISH: u8 = 14;
    /// The user interrupted the command.
    pub const INTERRUPTED: u8 = 130;
}

/// The kind of a failure, which decides the exit code.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum FailureKind {
    /// The command line is wrong in a way that its parser cannot see.
    Usage,
    /// The recipe or an element is wrong.
    Recipe,
    /// This host lacks something.
    Host,
    /// A step failed, or the guest died.
    Build,
    /// A check of the image failed.
    Verification,
    /// The image could not be published.
    Publish,
    /// The user interrupted the command.
    Interrupted,
}

impl FailureKind {
    /// The exit code of the process.
    pub fn exit_code(self) -> u8 {
        match self {
            Self::Usage => exit::USAGE,
            Self::Recipe => exit::RECIPE,
            Self::Host => exit::HOST,
            Self::Build => exit::BUILD,
            Self::Verification => exit::VERIFICATION,
            Self::Publish => exit::PUBLISH,
            Self::Interrupted => exit::INTERRUPTED,
        }
    }
}

/// A failure as the user sees it.
#[derive(Debug, Clone, PartialEq)]
pub struct Failure {
    /// Kind of the failure.
    pub kind: FailureKind,
    /// Message: what failed, in lower case.
    pub message: String,
    /// Causes, outermost first.
    pub causes: Vec<String>,
    /// Hints: what to do next.
    pub hints: Vec<String>,
    /// Text that is shown in place of message and causes: errors of a recipe with its lines.
    pub rendered: Option<String>,
    /// The same errors for programs.
    pub details: Option<serde_json::Value>,
}

impl Failure {
    /// Makes a failure from an error and its causes.
    pub fn new(kind: FailureKind, error: &dyn Error) -> Self {
        let mut causes: Vec<String> = Vec::new();
        let message = error.to_string();
        let mut next = error.source();
        while let Some(cause) = next {
            let text = cause.to_string();
            let told = causes.last().unwrap_or(&message);
            // Some errors quote their cause already.
            if !told.contains(&text) {
                causes.push(text);
            }
            next = cause.source();
        }
        Self { kind, message, causes, hints: Vec::new(), rendered: None, details: None }
    }

    /// Makes a failure without an error value.
    pub fn of(kind: FailureKind, message: impl Into<String>) -> Self {
        let message = message.into();
        Self { kind, message, causes: Vec::new(), hints: Vec::new(), rendered: None, details: None }
    }

    /// Makes a failure from rendered text, with the same facts for programs.
    pub fn rendered(kind: FailureKind, message: &str, text: String, details: serde_json::Value) -> Self {
        Self { rendered: Some(text), details: Some(details), ..Self::of(kind, message) }
    }

    /// Adds a hint.
    #[must_use]
    pub fn hint(mut self, hint: impl Into<String>) -> Self {
        self.hints.push(hint.into());
        self
    }

    /// Removes secrets from all texts of the failure.
    #[must_use]
    pub fn redacted(self, redactor: &Redactor) -> Self {
        let hide = |text: String| redactor.redact(&text);
        let hide_all = |texts: Vec<String>| texts.into_iter().map(hide).collect();
        Self {
            message: hide(self.message),
            causes: hide_all(self.causes),
            hints: hide_all(self.hints),
            rendered: self.rendered.map(hide),
            ..self
        }
    }

    /// Returns the text for people, with a line end.
    pub fn to_text(&self, terminal: Terminal) -> String {
        let mut text = match &self.rendered {
            Some(rendered) => format!("{}\n", rendered.trim_end()),
            None => {
                let error = terminal.paint(Style::Red, "error:");
                let mut text = format!("{error} {}\n", indented(&self.message, 2));
                for cause in &self.causes {
                    text.push_str(&format!("  caused by: {}\n", indented(cause, 4)));
                }
                text
            }
        };
        if !self.hints.is_empty() {
            text.push('\n');
        }
        for hint in &self.hints {
            text.push_str(&format!("{} {}\n", terminal.paint(Style::Cyan, "hint:"), indented(hint, 6)));
        }
        text
    }

    /// Returns the last line of `--json`.
    pub fn to_json(&self) -> serde_json::Value {
        let mut value = serde_json::json!({
            "event": "failed",
            "kind": self.kind,
            "exit_code": self.kind.exit_code(),
            "message": self.message,
            "causes": self.causes,
            "hints": self.hints,
        });
        if let Some(details) = &self.details {
            value["details"] = details.clone();
        }
        value
    }
}

impl fmt::Display for Failure {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.to_text(Terminal::PLAIN).trim_end())
    }
}

/// Makes text safe to print, because it may quote a guest, an image or a service. Indents the lines after the first.
fn indented(text: &str, by: usize) -> String {
    printable_lines(text).replace('\n', &format!("\n{:by$}", ""))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::fsx::PathError;

    #[derive(Debug, thiserror::Error)]
    #[error("cannot open the layer store")]
    struct Outer(#[source] PathError);

    fn failure() -> Failure {
        let source = std::io::Error::from_raw_os_error(13);
        let error = Outer(PathError { path: "/var/cache/goldsmith".into(), source });
        Failure::new(FailureKind::Host, &error)
            .hint("name another directory by --cache,\nor make this one writable")
            .hint("run `goldsmith doctor`")
    }

    #[test]
    fn the_text_says_what_why_and_what_next() {
        insta::assert_snapshot!(failure().to_text(Terminal::PLAIN), @r#"
        error: cannot open the layer store
          caused by: cannot access /var/cache/goldsmith
          caused by: Permission denied (os error 13)

        hint: name another directory by --cache,
              or make this one writable
        hint: run `goldsmith doctor`
        "#);
    }

    #[test]
    fn the_text_is_safe_to_print_and_can_be_freed_of_secrets() {
        let failure =
            Failure::of(FailureKind::Build, "cannot\u{1b}[2J find \u{202e}txt").hint("say hunter2\u{9b}H\nnow");
        assert_eq!(
            failure.to_text(Terminal::PLAIN),
            "error: cannot find \\u{202e}txt\n\nhint: say hunter2\n      now\n"
        );
        let redactor = Redactor::new([b"hunter2".to_vec()].iter());
        let failure =
            Failure { causes: vec!["aHVudGVyMg==".to_owned()], rendered: Some("hunter2".to_owned()), ..failure };
        let failure = failure.redacted(&redactor);
        assert!(failure.hints[0].starts_with("say ***") && failure.causes == ["***"], "{failure:?}");
        assert_eq!(failure.rendered.as_deref(), Some("***"));
    }

    #[test]
    fn the_json_has_the_same_facts() {
        insta::assert_snapshot!(failure().to_json(), @r#"
        {"event":"failed","kind":"host","exit_code":11,"message":"cannot open the layer store","causes":["cannot access /var/cache/goldsmith","Permission denied (os error 13)"],"hints":["name another directory by --cache,\nor make this one writable","run `goldsmith doctor`"]}
        "#);
    }

    #[test]
    fn a_cause_that_is_quoted_already_is_not_told_twice() {
        #[derive(Debug, thiserror::Error)]
        #[error("mmdebstrap failed: {0}")]
        struct Quoting(#[source] std::io::Error);
        let failure = Failure::new(FailureKind::Build, &Quoting(std::io::Error::other("no such mirror")));
        assert_eq!(failure.causes, Vec::<String>::new());
    }

    #[test]
    fn rendered_errors_are_shown_as_they_are() {
        let text = "error: unknown key\n --> x.yaml:1:1\n\n".to_owned();
        let failure = Failure::rendered(FailureKind::Recipe, "1 error in x.yaml", text, serde_json::json!([]));
        assert_eq!(failure.to_text(Terminal::PLAIN), "error: unknown key\n --> x.yaml:1:1\n");
    }

    #[test]
    fn exit_codes_are_as_documented() {
        let kinds = [
            (FailureKind::Usage, 2),
            (FailureKind::Recipe, 10),
            (FailureKind::Host, 11),
            (FailureKind::Build, 12),
            (FailureKind::Verification, 13),
            (FailureKind::Publish, 14),
            (FailureKind::Interrupted, 130),
        ];
        for (kind, code) in kinds {
            assert_eq!(kind.exit_code(), code, "{kind:?}");
        }
    }
}
