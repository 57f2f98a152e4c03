//! The disk an image starts from: made of a distribution's packages, or copied from an image.

pub mod bootstrap;
mod failure;
pub(crate) mod workdir;

pub use bootstrap::{BootstrapRequest, Bootstrapped, Package};
pub use failure::BootstrapError;
