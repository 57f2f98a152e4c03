//! QEMU's disks, versions 2 and 3 (QEMU, docs/interop/qcow2.txt).
//!
//! The writer: without compression, the extents determine every table, so the file is written from beginning to end ([`plain`]).
//! With compression, the place of a cluster depends on those before it, so the tables come last ([`compressed`]).
//!
//! `qemu-img convert` writes the same files. We do not use it, because it reads the disk once for each output, and its files must
//! be read again for their digests. `benches/formats.sh` compares both.

mod cluster;
mod compressed;
mod earlier;
mod encoding;
mod geometry;
mod header;
mod plain;
mod reader;
mod tables;

pub use encoding::Qcow2Encoding;
pub(in crate::image) use encoding::TRAITS;
pub(in crate::image) use reader::Qcow2Reader;
