//! Root trees: all files of a system, as an archive, the layers of a container or a directory have them, before a disk has them.
//!
//! Whoever made a tree is not trusted, and its names reach no file system as they are. A [`Tree`] is a list in memory of what the
//! sources say together, in which every path is there once and lies in directories only. What is written from it is one plain
//! archive, which can be unpacked into an empty directory by any program.

mod archive;
mod directory;
mod error;
mod facts;
mod head;
mod model;
mod name;
mod source;
mod write;

pub(crate) use archive::{Member, MemberKind, read as read_archive};
pub use error::TreeError;
pub use facts::Facts;
pub use model::{Left, Tree};
pub use source::Source;
