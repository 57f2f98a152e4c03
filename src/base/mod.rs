//! Makes the disk of a base from a distribution's packages.

pub mod bootstrap;
mod failure;
mod package;
mod request;

pub use bootstrap::Bootstrapped;
pub use failure::BootstrapError;
pub use package::Package;
pub use request::BootstrapRequest;
