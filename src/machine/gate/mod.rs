//! The gate: every frame that a guest sends passes through this program, which lets through what the guest may reach.
//!
//! QEMU's user network takes what a guest sends to the gateway for this host's loopback address, and opens connections
//! to all other addresses from this host, its own among them. It cannot be told otherwise. So a filter of QEMU hands
//! every frame over before the user network sees it, and takes back those that may go on.
//!
//! It fails closed: where this program or its thread has ended, QEMU throws the guest's frames away.

mod frame;
mod own;
mod policy;
mod relay;
mod sockets;
#[cfg(test)]
mod tests;

pub(crate) use policy::Policy;
pub(crate) use sockets::Gate;
