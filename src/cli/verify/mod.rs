//! The command `goldsmith verify`: checks the disk of an image, and boots it.

mod args;
mod command;
mod render;

pub(super) use args::VerifyArgs;
pub(super) use command::verify;
