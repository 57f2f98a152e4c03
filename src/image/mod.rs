//! Image files: their formats, a reader for each, and a pass that writes one disk to many files.
//!
//! ```text
//! file ── read::open ──> Source ── pass::write ──┬──> Sink (qcow2)  ──> file + digests
//!                       (one pass over the data)  ├──> Sink (vmdk)   ──> file + digests
//!                                                └──> ...
//! ```
//!
//! [`Source`] and [`Sink`] are the interface: each format has its own reader and writer, which know no other format.

pub mod accept;
pub mod convert;
pub mod digests;
mod extents;
mod format;
mod interface;
pub mod local;
mod output;
pub mod partitions;
pub mod pass;
pub mod probe;
pub mod read;
pub mod unpack;
pub mod write;

pub use extents::Extents;
pub use format::{Content, Format, FormatTraits};
pub use interface::{CHUNK, Sink, Source, Written, is_zero};
pub use output::{
    Adapter, ClusterCodec, Codec, Compat, Compression, Encoding, Output, OutputError, Subformat, VmdkOptions,
};
