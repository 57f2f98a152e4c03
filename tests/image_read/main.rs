//! Readers of image files, on what QEMU writes.

mod bench;
mod others;
mod qcow2;
