//! The plan: what a build will do, as pure data.
//!
//! `goldsmith plan`, `build --dry-run` and `build` use the same value. [`resolve`] makes it of a recipe and
//! of what was pinned for it; [`key`] says what enters a layer key.

mod arguments;
mod base;
pub mod key;
mod resolve;
mod step;
mod whole;

pub use crate::vocabulary::{Asset, AssetKind, Distro, Origin, Phase, StepId};
pub use arguments::Arguments;
pub use base::{BasePlan, DiskPlan, RepositoryPin};
pub use resolve::resolve;
pub use step::Step;
pub use whole::Plan;
