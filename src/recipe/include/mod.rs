//! Included files: reads a recipe with the files that it includes, and merges their values by one rule.

mod files;
mod merge;
mod paths;

pub(super) use files::{File, Files, files, normal};
pub(super) use merge::merge;
pub(super) use paths::{is_relative, relocate, relocated};
