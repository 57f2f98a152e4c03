//! qcow2 files (QEMU, docs/interop/qcow2.txt).
//!
//! Without compression every table follows from where data is, so that a file is written from its beginning
//! to its end ([`plain`]). With compression nobody knows where a cluster goes before those ahead of it are compressed,
//! so that the tables come last ([`compressed`]).
//!
//! `qemu-img convert` writes the same; it was left because it reads the disk once for each output and its
//! files must be read again for their digests. `benches/formats.sh` compares both.

mod cluster;
mod compressed;
mod geometry;
mod plain;

pub(super) use compressed::Compressed;
pub(super) use plain::Plain;
