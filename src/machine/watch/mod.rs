//! Watches a boot: tells from the machine's console and screen how far it has come, and whether it has failed.
//!
//! A failed boot seldom reports itself except on its console, and then waits for ever. [`Watch`] knows the last messages of
//! firmware, boot loaders, kernels and init systems, so that a verdict comes at once and with its reason, not at the deadline.
//! The guest is not trusted: a verdict only proves that something was printed.

mod patterns;
mod sign;
#[cfg(test)]
mod tests;
mod trouble;
mod watcher;

pub use sign::Sign;
pub use trouble::Trouble;
pub use watcher::{CloudInitEnd, Limits, Verdict, Watch};
