//! `goldsmith verify`.

mod args;
mod command;
mod render;

pub(super) use args::VerifyArgs;
pub(super) use command::verify;
