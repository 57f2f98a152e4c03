//! The command `goldsmith images`: manages the images of a cloud, a directory or a bucket.

mod args;
mod change;
mod command;
mod download;
mod image;
mod import;
mod place;
mod render;
mod tree;

pub(super) use args::Images;
pub(super) use command::images;
