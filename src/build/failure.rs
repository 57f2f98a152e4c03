//! What is done with the guest when a step has failed.

use std::path::PathBuf;

use super::actions::ActionError;
use crate::guest::Guest;
use crate::plan::StepId;

/// What to do with the guest when a step has failed.
pub trait OnFailure {
    /// Called in the failed step, with the guest still running and the image mounted. Not called for
    /// interrupts, nor when the guest is dead.
    fn failed(&mut self, step: &StepId, error: &ActionError, guest: &mut dyn Guest) -> AfterFailure;
}

/// How a build goes on after a step has failed.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum AfterFailure {
    /// The build ends and the step leaves nothing.
    Clean,
    /// The build ends; the disk as it was at the failure is kept under this name.
    Keep(PathBuf),
    /// The step is run again, from the layer before it.
    Retry,
}
