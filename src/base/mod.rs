//! Makes the disk of a base that is no disk yet: of a distribution's packages, or of a root tree.

pub mod bootstrap;
mod downloads;
mod failure;
pub mod index;
mod job;
mod package;
mod request;
mod tool;
mod tree;

pub use bootstrap::Bootstrapped;
pub use failure::BootstrapError;
pub use package::Package;
pub use request::BootstrapRequest;
pub use tool::missing_tools;
pub use tree::{TreeRequest, unpack};
