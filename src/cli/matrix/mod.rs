//! The command `goldsmith matrix`: builds of many images on engines that spread jobs over machines.

mod args;
mod collect;
mod command;
mod follow;
mod run;
mod words;
mod workflow;

pub(super) use args::Matrix;
pub(super) use command::matrix;
