//! Bootstraps a base: makes a disk from a distribution's packages, for recipes that start from packages and not from an image.

pub mod bootstrap;
mod failure;
mod job;
mod package;
mod request;
mod tool;

pub use bootstrap::Bootstrapped;
pub use failure::BootstrapError;
pub use package::Package;
pub use request::BootstrapRequest;
pub use tool::missing_tools;
