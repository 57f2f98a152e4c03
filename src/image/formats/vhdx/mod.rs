//! Hyper-V's disks.

mod format;
mod read;
mod write;

pub(in crate::image) use format::{TRAITS, VhdxReader, sink};
