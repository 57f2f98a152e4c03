//! Makes the disk of a base by an operating system's own installer, which runs in a machine and gets its answers from a file.
//!
//! The installer is not trusted: it runs in the machine that also boots images, with the same limits, and its console is only shown.
//! It ends by shutting down or restarting. If it asks a question that the answer file does not answer, it is stopped, and what it
//! shows is the error.

mod console;
mod cpio;
mod delivery;
mod failure;
mod idle;
mod request;
mod run;

pub use failure::{InstallError, Stopped};
pub use request::InstallRequest;
pub use run::install;
