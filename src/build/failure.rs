//! The interface that decides what happens after a failed step: clean up, keep the disk, or retry.

use std::path::PathBuf;

use super::actions::ActionError;
use crate::guest::Guest;
use crate::plan::StepId;

/// Decides what to do after a failed step.
pub trait OnFailure {
    /// Decides after the failure, with the guest still running and the image mounted. Not called for interrupts, nor if the guest
    /// is dead.
    fn failed(&mut self, step: &StepId, error: &ActionError, guest: &mut dyn Guest) -> AfterFailure;
}

/// The continuation of a build after a failed step.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum AfterFailure {
    /// The build ends, and leaves nothing of the step.
    Clean,
    /// The build ends, and the disk at the failure is kept under this name.
    Keep(PathBuf),
    /// The step runs again, from the layer before it.
    Retry,
}
