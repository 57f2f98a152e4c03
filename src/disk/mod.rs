//! Disk images on the host: how a new disk is laid out, and `qemu-img`.

pub mod layout;
pub mod qemu_img;

pub use layout::DiskLayout;
pub use qemu_img::{ImageInfo, QemuImg};
