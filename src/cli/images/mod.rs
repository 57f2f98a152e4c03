//! The command `goldsmith images`: manages the images of a cloud.

mod args;
mod change;
mod command;
mod download;
mod image;
mod import;
mod render;

pub(super) use args::Images;
pub(super) use command::images;
