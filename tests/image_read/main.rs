//! Readers of image files, on what QEMU writes.

mod bench;
mod qcow2;
