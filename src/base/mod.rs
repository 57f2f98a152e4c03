//! The disk an image starts from: made of a distribution's packages, or copied from an image.

pub mod bootstrap;
mod failure;
mod package;
mod request;

pub use bootstrap::Bootstrapped;
pub use failure::BootstrapError;
pub use package::Package;
pub use request::BootstrapRequest;
