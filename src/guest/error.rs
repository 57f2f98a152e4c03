//! The errors of the guest.

use std::time::Duration;

/// An error of a call of the guest.
#[derive(Debug, thiserror::Error)]
pub enum GuestError {
    /// The guest could not be started.
    #[error("{0}")]
    Launch(String),
    /// A call failed; the guest is alive.
    #[error("{call}: {message}")]
    Call {
        /// The action.
        call: String,
        /// The guest's answer.
        message: String,
    },
    /// A file system of the image is full.
    #[error("{call}: no space left in the image{}", missing.map(|bytes| format!(", {} more are needed", crate::units::ByteSize::bytes(bytes))).unwrap_or_default())]
    NoSpace {
        /// The action.
        call: String,
        /// Bytes that the call needed besides the free ones, if known.
        missing: Option<u64>,
    },
    /// QEMU ended during this call.
    #[error("the guest's QEMU ended unexpectedly")]
    Died(String),
    /// The deadline passed, and QEMU was stopped.
    #[error("stopped after {} s: the deadline of this step", .0.as_secs())]
    Deadline(Duration),
    /// The user asked to stop.
    #[error("interrupted")]
    Interrupted,
}
