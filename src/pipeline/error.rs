//! Errors of pipelines.

use super::host::HostError;
use crate::build::BuildError;
use crate::export::ExportError;
use crate::fsx::PathError;
use crate::image::local::LocalError;
use crate::layer::{LayerKey, StoreError};
use crate::pin::PinError;
use crate::plan::StepId;
use crate::yaml::Diagnostics;

/// An error of a pipeline. Every layer that was finished before is in the store.
#[derive(Debug, thiserror::Error)]
pub enum PipelineError {
    /// The recipe does not fit the system on its base image.
    #[error("the recipe has errors")]
    Recipe(Diagnostics),
    /// The image should be published, but the recipe names no target.
    #[error("the recipe names no target for its image")]
    NoTarget,
    /// The layer store failed.
    #[error(transparent)]
    Store(#[from] StoreError),
    /// The base could not be pinned.
    #[error(transparent)]
    Pin(#[from] PinError),
    /// A step failed.
    #[error(transparent)]
    Build(#[from] BuildError),
    /// The artifacts could not be written.
    #[error(transparent)]
    Export(#[from] ExportError),
    /// The final layer lacks the results of the checks of the disk.
    #[error("the final layer has no readable result of the checks that looked at the disk")]
    LostExamination,
    /// The artifact could not be opened to boot it.
    #[error(transparent)]
    Local(#[from] LocalError),
    /// The host could not boot the artifact.
    #[error(transparent)]
    Host(#[from] HostError),
    /// A report could not be written.
    #[error(transparent)]
    File(#[from] PathError),
}

impl PipelineError {
    /// Returns the layer that could not be made, among the steps of the image's plan. Every image with this layer fails likewise.
    /// `None` if the reason is another one.
    pub fn layer(&self, steps: &[(StepId, LayerKey)]) -> Option<LayerKey> {
        let step = match self {
            Self::Build(
                BuildError::Bootstrap(_)
                | BuildError::PackageNotFound(_)
                | BuildError::Install(_)
                | BuildError::NotInstalled { .. },
            ) => steps.first(),
            // A name that is there twice counts as the later step: then no other image is left out wrongly.
            Self::Build(BuildError::Step { step, .. } | BuildError::HostFull { step, .. }) => {
                steps.iter().rev().find(|(id, _)| id == step)
            }
            _ => None,
        };
        step.map(|(_, key)| *key)
    }
}
