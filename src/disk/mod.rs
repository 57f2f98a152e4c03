//! Disk images on the host: what is in a file, how a new disk is laid out, and `qemu-img`.

pub mod format;
pub mod layout;
pub mod qemu_img;

pub use layout::DiskLayout;
pub use qemu_img::{ImageInfo, QemuImg};
