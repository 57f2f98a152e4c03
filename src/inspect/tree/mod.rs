//! The files of an image in memory: all by name, some with their content.
//!
//! Everything that is read of an image is read of a [`Tree`]. Two calls of the guest make one, instead of one for each
//! question, and what is found in it can be tried without a guest.

mod files;
mod patterns;
#[cfg(test)]
pub(crate) mod tests;

pub use files::{FileQuery, Tree, Unread};
