//! Shows progress to people, on standard error.

mod reporter;
#[cfg(test)]
mod tests;

pub use reporter::TerminalReporter;
