//! `goldsmith diff`.

mod command;
mod json;
mod render;
#[cfg(test)]
mod tests;

pub(super) use command::{Diff, diff};
