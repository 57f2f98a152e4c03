//! Makes the disk of a base that is no disk yet: of a distribution's packages, of a root tree, or by an installer.

pub mod bootstrap;
mod downloads;
mod failure;
pub mod index;
mod installer;
mod job;
mod package;
mod request;
mod tool;
mod tree;

pub use bootstrap::Bootstrapped;
pub use failure::BootstrapError;
pub use installer::{InstallError, InstallRequest, Stopped, install};
pub use package::Package;
pub use request::BootstrapRequest;
pub use tool::missing_tools;
pub use tree::{TreeRequest, unpack};
