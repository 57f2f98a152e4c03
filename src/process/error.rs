//! What running a program can fail with.

use std::io;
use std::process::ExitStatus;
use std::time::Duration;

/// A child process that did not do its work.
#[derive(Debug, thiserror::Error)]
pub enum ProcessError {
    /// The program could not be started.
    #[error("cannot run {program}")]
    Start {
        /// Name of the program.
        program: String,
        /// What the system said.
        #[source]
        source: io::Error,
    },
    /// The program ended with an error.
    #[error("{program} failed ({status}){}", quoted(tail))]
    Failed {
        /// Name of the program.
        program: String,
        /// How it ended.
        status: ExitStatus,
        /// The last lines it printed.
        tail: Vec<String>,
    },
    /// The program was ended because its time was over.
    #[error("{program} was stopped after {} s{}", deadline.as_secs(), quoted(tail))]
    Deadline {
        /// Name of the program.
        program: String,
        /// How long it was given.
        deadline: Duration,
        /// The last lines it printed.
        tail: Vec<String>,
    },
    /// The program was ended because it printed too much.
    #[error("{program} was stopped: it printed more than {limit} bytes")]
    TooMuch {
        /// Name of the program.
        program: String,
        /// How much it may print.
        limit: usize,
    },
    /// The program was ended because the user asked for it.
    #[error("interrupted")]
    Interrupted,
}

fn quoted(tail: &[String]) -> String {
    if tail.is_empty() { String::new() } else { format!(":\n  {}", tail.join("\n  ")) }
}
