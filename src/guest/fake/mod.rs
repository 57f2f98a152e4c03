//! A guest in memory, for tests of everything that uses a guest.
//!
//! A [`FakeWorld`] is shared by a test and the guests it hands out: it counts, records, and fails on demand.
//! Files are kept as JSON behind the end of the disk's file, where no qcow2 program looks, so that an
//! overlay shows its parent's files to every later world as well.

mod calls;
#[cfg(test)]
mod tests;
mod tree;
mod world;

pub use tree::{Content, Node, Tree, files, set_files};
pub use world::{Failing, FakeGuest, FakeWorld, Ran};
