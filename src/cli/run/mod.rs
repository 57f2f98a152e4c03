//! The command `goldsmith run`: boots an image for a person.

mod args;
mod command;
mod console;
mod image;
mod kept;
mod manifest;
mod terminal;

pub(super) use args::Run;
pub(super) use command::run;
