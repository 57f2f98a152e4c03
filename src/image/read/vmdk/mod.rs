//! VMware's VMDK in one file: monolithicSparse and streamOptimized (VMware, "Virtual Disk Format 1.1").
//!
//! A descriptor may name any number of files of the host. None of them is ever opened: what is not all in the one file
//! is refused.

mod descriptor;
mod header;
mod tables;

pub(in crate::image) use descriptor::Descriptor;
pub(in crate::image) use header::Header;
pub(in crate::image) use header::MAGIC;
pub(super) use tables::Vmdk;
