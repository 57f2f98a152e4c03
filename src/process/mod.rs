//! The wrapper for child processes, which all other modules use: it bounds their output, and ends them with this process.

mod capture;
mod child;
mod environment;
mod error;
mod lines;
mod memory;
mod run;
mod tail;
#[cfg(test)]
mod tests;

pub use capture::{CAPTURE_LIMIT, capture};
pub use child::die_with_parent;
pub use environment::{names_credential, withhold};
pub use error::ProcessError;
pub(crate) use memory::{at_once, available_memory};
pub use run::{run_lines, run_lines_from};
pub use tail::TAIL_LINES;
