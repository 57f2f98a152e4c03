//! Compares two images: finds packages, files, users and other facts that were added, removed or changed.
//!
//! [`compare`] is a pure function of two [`Snapshot`]s; [`gather()`] takes one with a guest. The comparison is about the
//! content of images, not about when they were made: it ignores times of files, the places of files on the disk, and data
//! outside of file systems that the image mounts.

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
