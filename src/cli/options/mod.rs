//! Options that several commands share.

mod cache;
mod guest;
mod machine;
mod planning;
mod recipe;
mod remote;

pub(super) use cache::CacheOption;
pub(super) use guest::{AccelOption, GuestOptions, RELAY};
pub(super) use machine::MachineOptions;
pub(super) use planning::PlanningOptions;
pub(super) use recipe::{PinOptions, ReadingOptions, RecipeOptions, Sources, output_dir, output_root};
pub(super) use remote::{RemoteOptions, RemoteUse, keygen, located};
