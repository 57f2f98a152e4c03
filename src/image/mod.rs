//! Image files: what formats there are, how a disk is read from them, and how one pass over a disk writes many.
//!
//! ```text
//! file ── read::open ──> Source ── pass::write ──┬──> Sink (qcow2)  ──> file + digests
//!                       (one pass over the data)  ├──> Sink (vmdk)   ──> file + digests
//!                                                └──> ...
//! ```
//!
//! [`Source`] and [`Sink`] are the seam: each format has its own reader and writer, and none knows another.

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
