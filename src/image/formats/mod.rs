//! Formats of image files, one in each file or folder: its properties, its options, its reader and its writer.
//!
//! A format knows no other format, but for [`ova`], which holds a VMDK file. `format.rs` lists all formats.

pub(super) mod ova;
pub(super) mod parts;
pub(super) mod qcow2;
pub(super) mod raw;
pub(super) mod vdi;
pub(super) mod vhd;
pub(super) mod vhdx;
pub(super) mod vmdk;
