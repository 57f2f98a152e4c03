//! Where a command shows its work: on the terminal, or as JSON lines.

use std::sync::Arc;

use serde::Serialize;

use super::jsonl::JsonReporter;
use super::output::StandardOutput;
use super::progress::TerminalReporter;
use super::settings::Global;
use crate::event::Reporter;

/// The display of a command, or of one image of it.
#[derive(Debug, Clone)]
pub(super) enum View {
    /// Progress for people, on standard error.
    Screen(Arc<TerminalReporter>),
    /// JSON lines on standard output.
    Lines(Arc<JsonReporter<StandardOutput>>),
}

impl View {
    /// Makes the display that the options ask for.
    pub(super) fn new(global: &Global) -> Self {
        if global.json {
            let lines = JsonReporter::new(StandardOutput);
            lines.break_silence();
            Self::Lines(Arc::new(lines))
        } else {
            Self::Screen(Arc::new(TerminalReporter::on_stderr(global.terminal)))
        }
    }

    /// Returns the display for one of several images. Their names have at most `longest` characters.
    pub(super) fn of_image(&self, name: &str, longest: usize) -> Self {
        match self {
            Self::Screen(screen) => Self::Screen(Arc::new(screen.of_image(name, longest))),
            Self::Lines(lines) => Self::Lines(Arc::new(lines.of_image(name))),
        }
    }

    /// Returns the display for more work of the same command, after [`View::finish`].
    pub(super) fn further(&self, global: &Global) -> Self {
        match self {
            Self::Screen(_) => Self::new(global),
            Self::Lines(_) => self.clone(),
        }
    }

    /// Returns the receiver of events.
    pub(super) fn reporter(&self) -> Arc<dyn Reporter> {
        match self {
            Self::Screen(screen) => Arc::clone(screen) as _,
            Self::Lines(lines) => Arc::clone(lines) as _,
        }
    }

    /// Shows people a line.
    pub(super) fn note(&self, line: &str) {
        if let Self::Screen(screen) = self {
            screen.note(line);
        }
    }

    /// Writes a JSON line.
    pub(super) fn line(&self, value: &impl Serialize) {
        if let Self::Lines(lines) = self {
            lines.line(value);
        }
    }

    /// Returns whether people watch.
    pub(super) fn is_screen(&self) -> bool {
        matches!(self, Self::Screen(_))
    }

    /// Ends the display, before results are printed.
    pub(super) fn finish(&self) {
        if let Self::Screen(screen) = self {
            screen.finish();
        }
    }

    /// Hides the display while something else uses the terminal.
    pub(super) fn suspend(&self, other: &mut dyn FnMut()) {
        match self {
            Self::Screen(screen) => screen.suspend(other),
            Self::Lines(_) => other(),
        }
    }
}
