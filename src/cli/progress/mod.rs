//! Shows progress to people, on standard error.

mod live;
mod reporter;
pub(super) mod silence;
mod styles;
#[cfg(test)]
mod tests;
mod waiting;

pub use reporter::TerminalReporter;
