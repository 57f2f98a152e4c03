//! Readers of image files, on what QEMU writes.

mod bases;
mod malformed;
mod oslo;
mod others;
mod partitions;
mod qcow2;
mod samples;
