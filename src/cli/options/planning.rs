//! The options of commands that make plans.

use clap::Args;

use super::{GuestOptions, PinOptions};
use crate::cli::cloud::CloudOptions;

/// How bases are found, pinned and looked into.
#[derive(Debug, Args)]
pub(in crate::cli) struct PlanningOptions {
    /// The pinning of mirrors and base images.
    #[command(flatten)]
    pub(in crate::cli) pinning: PinOptions,
    /// The guest.
    #[command(flatten)]
    pub(in crate::cli) machine: GuestOptions,
    /// The cloud, where the recipe's base or targets name none.
    #[command(flatten)]
    pub(in crate::cli) cloud: CloudOptions,
}
