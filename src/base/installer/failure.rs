//! The reasons why an installer made no disk.

use std::fmt;

use crate::fsx::PathError;
use crate::guest::GuestError;
use crate::machine::MachineError;

/// The reason why an installer made no disk.
#[derive(Debug, thiserror::Error)]
pub enum InstallError {
    /// The host of a pipeline starts no machines for installers.
    #[error("this host runs no installers")]
    NoHost,
    /// The request contradicts itself.
    #[error("{0}")]
    Request(String),
    /// A secret of the answer file has no value.
    #[error("the answer file needs the secret `{0}`, which has no value")]
    Secret(String),
    /// The proxy of the environment cannot be given to the installer. The error does not show its address.
    #[error("the installer cannot use the proxy of `http_proxy`: {0}")]
    Proxy(String),
    /// This host cannot run virtual machines as wanted.
    #[error(transparent)]
    Guest(#[from] GuestError),
    /// The machine failed.
    #[error(transparent)]
    Machine(#[from] MachineError),
    /// A file could not be written or read.
    #[error(transparent)]
    File(#[from] PathError),
    /// The installer did not come to its end.
    #[error("{0}")]
    Stopped(Box<Stopped>),
    /// The user asked to stop.
    #[error("interrupted")]
    Interrupted,
}

/// What an installer showed when it was stopped.
#[derive(Clone, PartialEq, Eq)]
pub struct Stopped {
    /// Why it was stopped, as a clause.
    pub reason: String,
    /// Hint for the user.
    pub help: &'static str,
    /// The last lines of its serial console, without secrets.
    pub console: Vec<String>,
    /// The text on its screen, if the screen was in text mode, without secrets.
    pub screen: Vec<String>,
    /// Its screen as a PNG file.
    pub picture: Option<Vec<u8>>,
}

impl fmt::Debug for Stopped {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Stopped").field("reason", &self.reason).field("console", &self.console).finish_non_exhaustive()
    }
}

impl fmt::Display for Stopped {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.reason)?;
        for (place, lines) in [("its console showed last", &self.console), ("its screen showed", &self.screen)] {
            if !lines.is_empty() {
                write!(f, "\n{place}:\n  | {}", lines.join("\n  | "))?;
            }
        }
        Ok(())
    }
}
