//! Image files: their formats, a reader for each, and a pass that writes one disk to many files.
//!
//! ```text
//! file ── read::open ──> Source ── pass::write ──┬──> Sink (qcow2)  ──> file + digests
//!                       (one pass over the data)  ├──> Sink (vmdk)   ──> file + digests
//!                                                └──> ...
//! ```
//!
//! [`Source`] and [`Sink`] are the interface: each format has its own reader and writer, which know no other format. [`Format`] lists
//! all formats.

pub mod accept;
pub mod convert;
pub mod digests;
mod extents;
mod format;
mod formats;
mod interface;
pub mod local;
mod options;
mod output;
pub mod partitions;
pub mod pass;
pub mod probe;
pub mod read;
mod traits;
pub mod unpack;
pub mod write;

pub use extents::Extents;
pub use format::{Encoding, Format};
pub use formats::qcow2::Qcow2Encoding;
pub use formats::vhd::VhdEncoding;
pub use formats::vmdk::{VmdkEncoding, VmdkOptions};
pub use interface::{CHUNK, Sink, Source, Written, is_zero};
pub use options::{Adapter, ClusterCodec, Codec, Compat, Compression, FormatOptions, OutputError, Subformat};
pub use output::Output;
pub use traits::{Content, FormatTraits};
