//! The command `goldsmith init`: writes the first files of a project.

mod args;
mod ask;
mod base;
mod ci;
mod command;
mod files;
mod text;

pub(super) use args::Init;
pub(super) use command::init;
