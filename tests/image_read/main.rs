//! Readers of image files, on what QEMU writes.

mod bench;
mod oslo;
mod others;
mod partitions;
mod qcow2;
