//! The gate: a filter for every frame that a guest sends, which passes only those to addresses that the guest may reach.
//!
//! QEMU's user network maps the gateway to this host's loopback address, and opens connections to all other addresses from this
//! host, also to the host's own addresses. No option of QEMU changes that. So a filter of QEMU hands every frame to this
//! program before the user network sees it, and takes back the frames that may pass.
//!
//! The gate fails closed: if this program or its thread has ended, QEMU drops the guest's frames.

mod frame;
mod own;
mod policy;
mod relay;
mod sockets;
#[cfg(test)]
mod tests;

pub(crate) use policy::Policy;
pub(crate) use sockets::Gate;
