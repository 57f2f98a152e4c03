//! A program that runs in a guest, and its result.

use std::collections::BTreeMap;
use std::time::Duration;

/// A program to run in the guest, with the image as its root directory.
#[derive(Debug, Clone, Default)]
pub struct Command<'a> {
    /// Path of the program in the image.
    pub program: &'a str,
    /// The arguments.
    pub args: &'a [String],
    /// Environment variables besides `PATH`, `HOME`, `LANG` and `TERM`.
    pub env: BTreeMap<String, String>,
    /// Whether the network is reachable.
    pub network: bool,
    /// Limit for the program. If it passes, the guest ends too.
    pub timeout: Option<Duration>,
}

/// The result of a program that ended by itself.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Ended {
    /// Exit status; 128 and the signal's number if a signal ended it.
    pub status: i32,
    /// The last lines of its output.
    pub tail: Vec<String>,
}
