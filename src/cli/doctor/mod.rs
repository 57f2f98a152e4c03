//! `goldsmith doctor`: whether this host can build images, and what to install where it cannot.
//!
//! [`facts::HostFacts`] is what was seen of the host; [`examine::examine`] judges it, without any I/O.

mod command;
mod examine;
mod facts;
mod packages;

pub(super) use command::run;
