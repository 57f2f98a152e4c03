//! The ways in which a machine ends.

/// The way in which a machine ended.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum End {
    /// The guest has shut down.
    PoweredOff,
    /// The guest restarted.
    Reset,
    /// The guest's kernel reported its panic. The machine is stopped and can be inspected.
    Panicked,
    /// This program or a signal ended it.
    Killed,
    /// QEMU failed, with these last messages.
    QemuFailed(String),
}
