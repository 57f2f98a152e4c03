//! Shows progress to people, on standard error.

mod live;
mod reporter;
pub(super) mod silence;
mod styles;
#[cfg(test)]
mod tests;

pub use reporter::TerminalReporter;
