//! The record of builds with a cache, and the commands that read it: `goldsmith ls`, `goldsmith log` and `goldsmith run --last`.

mod list;
mod log;
mod record;
#[cfg(test)]
mod tests;

pub(super) use list::{Ls, ls};
pub(super) use log::{Log, log};
pub(super) use record::{Ended, built, last_image, published};
