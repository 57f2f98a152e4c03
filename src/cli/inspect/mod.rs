//! The command `goldsmith inspect`: shows the format and the content of an image.

mod command;
mod header;
mod render;

pub(super) use command::{Inspect, run};
