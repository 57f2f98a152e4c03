//! The errors of a build.

use std::path::PathBuf;

use super::actions::ActionError;
use crate::base::{BootstrapError, InstallError};
use crate::disk::layout::LayoutError;
use crate::guest::GuestError;
use crate::layer::{LayerKey, StoreError};
use crate::plan::StepId;

/// A build that failed. The store has every layer that was finished before.
#[derive(Debug, thiserror::Error)]
pub enum BuildError {
    /// The layer store failed.
    #[error(transparent)]
    Store(StoreError),
    /// The base could not be made from packages.
    #[error("cannot make the base")]
    Bootstrap(#[source] Box<BootstrapError>),
    /// The installer did not make the base.
    #[error("cannot make the base")]
    Install(#[source] Box<InstallError>),
    /// The installer came to its end, and its disk is not what the recipe says.
    #[error("the installer came to its end, but {reason}")]
    NotInstalled {
        /// What is wrong with the disk.
        reason: String,
    },
    /// No repository has these packages of the bootstrap. Each is named with the elements that need it.
    #[error("no repository has the package {}", .0.join(", nor "))]
    PackageNotFound(Vec<String>),
    /// The guest failed outside of any action.
    #[error("cannot {activity}")]
    Guest {
        /// The action that failed.
        activity: String,
        /// The error of the guest.
        #[source]
        source: GuestError,
    },
    /// A step failed.
    #[error("step `{step}` failed")]
    Step {
        /// The step.
        step: StepId,
        /// The error of the action.
        source: Box<ActionError>,
        /// The disk at the failure, if it was kept.
        kept: Option<PathBuf>,
    },
    /// The disk of a failed step could not be kept. This is reported as a warning.
    #[error(transparent)]
    Keep(#[from] crate::process::ProcessError),
    /// A step failed because the host had no space left for its layer.
    #[error("step `{step}` failed: no space left on this machine in {}", dir.display())]
    HostFull {
        /// The step.
        step: StepId,
        /// Directory of the layers.
        dir: PathBuf,
        /// The error of the action.
        source: Box<ActionError>,
    },
    /// The files for outputs could not be extracted from the final disk.
    #[error("cannot read the final disk: {0}")]
    Extract(String),
    /// The disk is too small for its partitions.
    #[error(transparent)]
    Layout(#[from] LayoutError),
    /// A layer that was made or found is no longer in the store.
    #[error("layer {} is gone from the cache: was it removed by hand?", .0.short())]
    Vanished(LayerKey),
    /// A playbook of a step may run programs on this host, and the user has not allowed that.
    #[error("step `{0}` runs a playbook of Ansible, which can run programs on this host with your rights")]
    Ansible(StepId),
    /// A step has written to the directory of an encrypted file system, which was locked.
    #[error(
        "{path} is no file of the encrypted file system of {mount}, which would hide it: it was locked while the steps ran"
    )]
    Hidden {
        /// The file.
        path: String,
        /// Directory of the file system.
        mount: String,
    },
    /// The user asked to stop.
    #[error("interrupted")]
    Interrupted,
}

/// Returns an error and its causes in one line.
pub(super) fn with_causes(error: &dyn std::error::Error) -> String {
    let causes = std::iter::successors(error.source(), |cause| cause.source());
    causes.fold(error.to_string(), |text, cause| format!("{text}: {cause}"))
}

impl From<StoreError> for BuildError {
    fn from(error: StoreError) -> Self {
        match error {
            StoreError::Interrupted => Self::Interrupted,
            error => Self::Store(error),
        }
    }
}

/// Adds the action to an error of the guest.
pub(super) trait During<T> {
    fn during(self, activity: &str) -> Result<T, BuildError>;
}

impl<T> During<T> for Result<T, GuestError> {
    fn during(self, activity: &str) -> Result<T, BuildError> {
        self.map_err(|source| match source {
            GuestError::Interrupted => BuildError::Interrupted,
            source => BuildError::Guest { activity: activity.to_owned(), source },
        })
    }
}
