//! Reads QEMU's qcow2 files, versions 2 and 3 (QEMU, docs/interop/qcow2.txt).

mod header;
mod tables;

pub(in crate::image) use header::{Header, MAGIC, incompatible};
pub(super) use tables::Qcow2;
