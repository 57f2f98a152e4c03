//! Checks of recipes and elements that types cannot express: paths are absolute, patterns compile, names are sane, secrets exist.
//!
//! Most checks are a table of places in the tree and the rule for the text there. They read the tree that was decoded, so that
//! every error has its place.

mod base;
mod head;
mod installer;
mod mounts;
mod partitions;
mod rule;
mod steps;

pub(crate) use base::tree;
pub(crate) use head::{BUILT_INS, accepted, element_head, layout, publish, recipe_head, some_output, verify};
pub(crate) use installer::{answer_file, installed, installer};
pub(crate) use partitions::{file_system_packages, partitions};
pub(crate) use rule::{apply, require};
pub(crate) use steps::{actions, checks, packages};
