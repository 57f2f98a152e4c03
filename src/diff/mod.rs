//! What changed between two images.
//!
//! [`compare`] is a pure function of two [`Snapshot`]s; [`gather()`] takes one through a guest. Compared is what the images
//! are, not when they were made: times of files are left out, as are the places of files on the disk, and so is what
//! lies outside of file systems that the image mounts.

pub mod archive;
mod change;
mod compare;
mod content;
mod facts;
mod file;
mod files;
mod gather;

pub use change::{Change, How, Section};
pub use compare::{Difference, compare};
pub use facts::SECTIONS;
pub use file::{File, Files, Kind};
pub use files::{FileChange, Ignored};
pub use gather::{GatherError, Gathered, Snapshot, gather};
