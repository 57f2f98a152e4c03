//! The types of a build's disks: before the last step, after it, and a base image that was opened.

use super::error::BuildError;
use super::session::Session;
use crate::guest::{Inspection, Mount};
use crate::plan::StepId;

/// A disk with every step but the last.
#[derive(Debug)]
pub struct BuiltDisk<'a> {
    pub(super) session: Session<'a>,
    pub(super) mounts: Vec<Mount>,
}

impl BuiltDisk<'_> {
    /// Stops the guest, and waits until every layer is in the store. The disk becomes no image.
    ///
    /// # Errors
    ///
    /// If the guest or the store fails.
    pub fn close(mut self) -> Result<(), BuildError> {
        self.session.close()
    }
}

/// A disk that no longer changes, with the results of its build.
#[derive(Debug, Clone)]
pub struct FinalDisk {
    /// The last layer, with the whole chain below it.
    pub layer: crate::layer::Layer,
    /// Seconds each step took when it was made, in order.
    pub timings: Vec<(StepId, f64)>,
}

/// An image that is the base of a plan.
#[derive(Debug, Clone)]
pub struct OpenedImage {
    /// Name of the file among the store's images.
    pub file: String,
    /// Size of the disk, in bytes.
    pub virtual_size: u64,
    /// The operating system and file systems on the disk.
    pub inspection: Inspection,
}
