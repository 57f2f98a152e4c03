//! Shows progress to people, on standard error.

mod during;
mod live;
mod reporter;
pub(super) mod silence;
mod styles;
#[cfg(test)]
mod tests;
mod waiting;

pub use during::during;
pub use reporter::TerminalReporter;
