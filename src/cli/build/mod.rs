//! `goldsmith build`.

mod command;
mod on_failure;
mod verdict;

pub(super) use command::{Build, build};
