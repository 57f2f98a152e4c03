//! A program that runs in a guest, and what became of it.

use std::collections::BTreeMap;
use std::time::Duration;

/// A program to run in the guest, with the image as its root directory.
#[derive(Debug, Clone, Default)]
pub struct Command<'a> {
    /// Path of the program in the image.
    pub program: &'a str,
    /// Its arguments.
    pub args: &'a [String],
    /// Environment beside `PATH`, `HOME`, `LANG` and `TERM`.
    pub env: BTreeMap<String, String>,
    /// Whether the network is reachable.
    pub network: bool,
    /// When it is ended. The guest does not survive that.
    pub timeout: Option<Duration>,
}

/// What became of a program that ended by itself.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Ended {
    /// Exit status; 128 and the signal's number if a signal ended it.
    pub status: i32,
    /// The last lines it printed.
    pub tail: Vec<String>,
}
