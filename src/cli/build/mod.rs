//! The command `goldsmith build`: builds, verifies and publishes the image of a recipe.

mod args;
mod batch;
mod command;
mod image;
mod on_failure;
mod outcomes;
mod stage;
mod table;
mod tally;
mod verdict;

pub(super) use args::Build;
pub(super) use command::build;
pub(super) use outcomes::Outcomes;
pub(super) use table::{Row, failures, print_rows, write_junit};
