//! The files of an image in memory: all by name, some with their content.
//!
//! Inspection reads everything from a [`Tree`]. Two calls of the guest make a tree, instead of one call for each question, and
//! tests need no guest.

mod files;
mod patterns;
#[cfg(test)]
pub(crate) mod tests;

pub use files::{FileQuery, Tree, Unread};
