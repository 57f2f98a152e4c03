//! The command `goldsmith doctor`: checks whether this host can build images, and says what to install if it cannot.
//!
//! [`facts::HostFacts`] has the facts about the host; [`examine::examine`] judges them, without any I/O.

mod command;
mod examine;
mod facts;
mod packages;

pub(super) use command::run;
