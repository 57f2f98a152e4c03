//! Composes a recipe: puts its elements and its own steps together for one distribution.

mod composer;
mod own;
mod step;

pub(super) use composer::Composer;
pub(super) use own::{BODY, Own};
