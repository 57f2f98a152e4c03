//! The command `goldsmith publish`: publishes a built image, and manages published images.

mod command;
mod failing;
mod keys;
mod report;
mod target;

pub(super) use command::{Publish, publish};
pub(super) use failing::of_tree;
pub(super) use keys::Environment;
pub(super) use report::PublishReport;
