//! The command `goldsmith diff`: shows what changed between two disk images.

mod command;
mod json;
mod render;
#[cfg(test)]
mod tests;

pub(super) use command::{Diff, diff};
