//! The last lines of a program.

use std::collections::VecDeque;

/// How many lines of a failed program's output its error quotes.
pub const TAIL_LINES: usize = 30;

/// The last lines of a program.
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
