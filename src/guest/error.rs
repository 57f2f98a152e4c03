//! What a call of the guest can fail with.

use std::time::Duration;

/// What a call of the guest can fail with.
#[derive(Debug, thiserror::Error)]
pub enum GuestError {
    /// The guest could not be started.
    #[error("{0}")]
    Launch(String),
    /// A call failed; the guest is alive.
    #[error("{call}: {message}")]
    Call {
        /// What was asked for.
        call: String,
        /// What the guest answered.
        message: String,
    },
    /// A file system of the image is full.
    #[error("{call}: no space left in the image{}", missing.map(|bytes| format!(", {} more are needed", crate::units::ByteSize::bytes(bytes))).unwrap_or_default())]
    NoSpace {
        /// What was asked for.
        call: String,
        /// Bytes the call needed beside those that were free, where known.
        missing: Option<u64>,
    },
    /// QEMU ended while it was needed, for this call.
    #[error("the guest's QEMU ended unexpectedly")]
    Died(String),
    /// The deadline passed and QEMU was ended.
    #[error("stopped after {} s: the deadline of this step", .0.as_secs())]
    Deadline(Duration),
    /// The user asked to stop.
    #[error("interrupted")]
    Interrupted,
}
