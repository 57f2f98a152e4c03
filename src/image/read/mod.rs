//! Reading of image files: what the readers of all formats share, and the entry points.
//!
//! We use no library. The nearest one, imago 0.2.6, reads neither clusters compressed with Zstandard nor VMDK files other than
//! flat ones, finds the extents of a chain only by reading it, and opens files that a header names. For qcow2 alone we measured
//! qcow2-rs 0.1.6: it takes 1.3 times as long as our reader for a chain of six uncompressed layers, and 0.9 times for one on a
//! base compressed with Deflate. But it refuses Zstandard and raw bases, did not read a disk of 16 MiB in clusters of 512 bytes
//! within 20 s, panics if a base is missing, overflows its stack if a file is its own base, reads zeros if a table lies beyond
//! the file's end, and needs 27 more crates, among them tokio and unmaintained ones.
//!
//! A reader never opens a file that a header names, with one exception: the layers of a chain, below a directory that the caller
//! names.

pub(in crate::image) mod fault;
pub(in crate::image) mod fields;
pub(in crate::image) mod mapped;
mod open;
mod pages;
pub mod raw;
mod reader;
pub(in crate::image) mod size;
pub(in crate::image) mod unpack;

pub(in crate::image) use mapped::Mapped;
pub use open::{Backing, OpenError, Opened, Options, open, open_packed};
pub(in crate::image) use pages::Pages;
pub use reader::Features;
pub(in crate::image) use reader::{BackingFile, Description, Reader};
pub use size::MAX_SIZE;
