//! Reads VMware's VMDK in one file: monolithicSparse and streamOptimized (VMware, "Virtual Disk Format 1.1").
//!
//! A descriptor may name other files of the host. The reader never opens them: it refuses disks in more than one file.

mod descriptor;
mod header;
mod tables;

pub(in crate::image) use descriptor::Descriptor;
pub(in crate::image) use header::Header;
pub(in crate::image) use header::MAGIC;
pub(super) use tables::Vmdk;
