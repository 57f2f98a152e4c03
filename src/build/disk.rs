//! Disks: being built, final, and opened as a base.

use super::session::Session;
use crate::guest::{Inspection, Mount};
use crate::plan::StepId;

/// A disk on which every step but the last has been done.
#[derive(Debug)]
pub struct BuiltDisk<'a> {
    pub(super) session: Session<'a>,
    pub(super) mounts: Vec<Mount>,
}

/// A disk that will not change any more, and what was found on it.
#[derive(Debug, Clone)]
pub struct FinalDisk {
    /// Its last layer, with the whole chain below it.
    pub layer: crate::layer::Layer,
    /// Seconds each step took when it was made, in order.
    pub timings: Vec<(StepId, f64)>,
}

/// An image that a plan's base is.
#[derive(Debug, Clone)]
pub struct OpenedImage {
    /// Name of its file among the store's images.
    pub file: String,
    /// Size of the disk in it, in bytes.
    pub virtual_size: u64,
    /// What is on it.
    pub inspection: Inspection,
}
