//! The command `goldsmith build`: builds, verifies and publishes the image of a recipe.

mod batch;
mod command;
mod image;
mod on_failure;
mod verdict;

pub(super) use command::{Build, build};
