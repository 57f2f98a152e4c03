//! The machine: a virtual machine that boots an image under QEMU as a cloud does, watched from outside.
//!
//! What it runs is not trusted. Its serial console is read to its end and kept within bounds, it reaches the
//! metadata service that it is given and never one of the cloud that this host is in, and QEMU runs in its own
//! sandbox, with nothing of the host's configuration. It never outlives this program.

mod agent;
mod arguments;
mod child;
mod config;
mod end;
mod error;
mod firmware;
pub(crate) mod gate;
pub(crate) mod qmp;
mod running;
mod screen;
mod serial;
mod ssh;
pub mod watch;

pub use agent::{Agent, AgentError, Interface};
pub use config::{Console, MachineConfig, Relay};
pub use end::End;
pub use error::MachineError;
#[cfg(feature = "testing")]
pub use qmp::seam::answers;
pub use running::Machine;
pub use serial::SerialView;
pub use ssh::{KeyError, KeyPair, Output, Ssh, SshError};
