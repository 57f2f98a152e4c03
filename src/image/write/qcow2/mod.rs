//! Writers of qcow2 files (QEMU, docs/interop/qcow2.txt).
//!
//! Without compression, the extents determine every table, so the file is written from beginning to end ([`plain`]). With
//! compression, the place of a cluster depends on those before it, so the tables come last ([`compressed`]).
//!
//! `qemu-img convert` writes the same files. We do not use it, because it reads the disk once for each output, and its files must
//! be read again for their digests. `benches/formats.sh` compares both.

mod cluster;
mod compressed;
mod geometry;
mod plain;

pub(super) use compressed::Compressed;
pub(super) use plain::Plain;
