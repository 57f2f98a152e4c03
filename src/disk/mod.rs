//! Disks on the host: the layout of a new disk, and calls of `qemu-img`.

pub mod layout;
pub mod qemu_img;
mod tables;
pub mod uuid;
mod volumes;

pub use layout::DiskLayout;
pub use qemu_img::{ImageInfo, QemuImg};
