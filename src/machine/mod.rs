//! The machine: a virtual machine that boots an image under QEMU as a cloud does, watched from outside.
//!
//! The guest is not trusted. Its serial console is read to the end and kept within bounds. It reaches only the metadata service
//! of this program, never the one of a cloud in which this host runs. QEMU runs in its own sandbox, without the host's
//! configuration, and never outlives this program.

mod agent;
mod arguments;
mod child;
mod config;
mod end;
mod error;
pub mod firmware;
pub(crate) mod gate;
pub(crate) mod qmp;
mod running;
mod screen;
mod serial;
mod ssh;
pub mod watch;

pub use agent::{Agent, AgentError, Interface};
pub use arguments::GATEWAY;
pub use config::{Console, Kernel, MachineConfig, Relay};
pub use end::End;
pub use error::MachineError;
#[cfg(feature = "testing")]
pub use qmp::seam::answers;
pub use running::Machine;
pub use serial::SerialView;
pub use ssh::{KeyError, KeyPair, Output, Ssh, SshError};
