//! The last lines of a program's output, for error messages.

use std::collections::VecDeque;

/// Number of lines that the error of a failed program quotes.
pub const TAIL_LINES: usize = 30;

/// The last lines of a program's output.
#[derive(Default)]
pub(super) struct Tail(VecDeque<String>);

impl Tail {
    pub(super) fn push(&mut self, line: String) {
        if self.0.len() == TAIL_LINES {
            self.0.pop_front();
        }
        self.0.push_back(line);
    }

    pub(super) fn lines(&self) -> Vec<String> {
        self.0.iter().cloned().collect()
    }
}
