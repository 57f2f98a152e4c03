//! Microsoft's Virtual PC disks.

mod format;
mod read;
mod write;

pub use format::VhdEncoding;
pub(in crate::image) use format::{TRAITS, VhdReader};
