//! Options that several commands share.

mod guest;
mod recipe;

pub(super) use guest::{AccelOption, GuestOptions, RELAY};
pub(super) use recipe::{PinOptions, RecipeOptions};
