//! How a machine ended.

/// How a machine ended.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum End {
    /// The guest has shut down.
    PoweredOff,
    /// The guest wanted to start again.
    Reset,
    /// The guest's kernel has told of its panic; the machine stands still and can be looked at.
    Panicked,
    /// It was ended from here, or by a signal.
    Killed,
    /// QEMU failed; its last words.
    QemuFailed(String),
}
