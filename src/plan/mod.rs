//! The plan: everything that a build will do, as pure data.
//!
//! `goldsmith plan`, `build --dry-run` and `build` use the same value. [`resolve`] makes it from a recipe and its pins; [`key`]
//! computes the layer keys.

mod arguments;
mod base;
mod graph;
pub mod key;
mod resolve;
mod step;
mod whole;

pub use crate::vocabulary::{Asset, AssetKind, Distro, Origin, Phase, StepId};
pub use arguments::Arguments;
pub use base::{BasePlan, DiskPlan, InstallerPlan, RepositoryPin};
pub use graph::{Graph, GraphLayer};
pub use resolve::resolve;
pub use step::{Derived, Step};
pub use whole::Plan;
