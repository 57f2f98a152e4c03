//! The disk an image starts from: made of a distribution's packages, or copied from an image.

pub mod bootstrap;
mod failure;
mod package;

pub use bootstrap::{BootstrapRequest, Bootstrapped};
pub use failure::BootstrapError;
pub use package::Package;
