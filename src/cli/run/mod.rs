//! The command `goldsmith run`: boots an image so that a person can use it.

mod args;
mod command;
mod console;
mod image;
mod kept;
mod manifest;
mod terminal;

pub(super) use args::Run;
pub(super) use command::run;
