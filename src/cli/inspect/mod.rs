//! `goldsmith inspect`.

mod command;
mod header;
mod render;

pub(super) use command::{Inspect, run};
