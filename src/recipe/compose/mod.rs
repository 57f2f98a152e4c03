//! Composes a recipe: puts its elements and its own steps together for one distribution.

mod composer;
mod step;

pub(super) use composer::Composer;
