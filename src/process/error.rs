//! Errors of running a program.

use std::io;
use std::process::ExitStatus;
use std::time::Duration;

/// An error of running a program.
#[derive(Debug, thiserror::Error)]
pub enum ProcessError {
    /// The program could not be started.
    #[error("cannot run {program}")]
    Start {
        /// Name of the program.
        program: String,
        /// The error of the system.
        #[source]
        source: io::Error,
    },
    /// The program ended with an error.
    #[error("{program} failed ({status}){}", quoted(tail))]
    Failed {
        /// Name of the program.
        program: String,
        /// Exit status.
        status: ExitStatus,
        /// The last lines it printed.
        tail: Vec<String>,
    },
    /// The program was killed because it exceeded its time limit.
    #[error("{program} was stopped after {} s{}", deadline.as_secs(), quoted(tail))]
    Deadline {
        /// Name of the program.
        program: String,
        /// Time limit.
        deadline: Duration,
        /// The last lines it printed.
        tail: Vec<String>,
    },
    /// The program was killed because it printed too much.
    #[error("{program} was stopped: it printed more than {limit} bytes")]
    TooMuch {
        /// Name of the program.
        program: String,
        /// Limit, in bytes.
        limit: usize,
    },
    /// The program was killed because the user interrupted.
    #[error("interrupted")]
    Interrupted,
}

fn quoted(tail: &[String]) -> String {
    if tail.is_empty() { String::new() } else { format!(":\n  {}", tail.join("\n  ")) }
}
