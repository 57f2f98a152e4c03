//! Carries out the actions of a step in a guest.
//!
//! A declarative action uses calls of the guest where that is possible, so that it works in an image without a shell. Programs of
//! the image run only for what nothing else can do.

mod access;
mod ansible;
mod boot_menu;
mod carry;
mod derived;
mod error;
mod executor;
mod files;
mod installed;
mod kernel_args;
mod labels;
mod locale;
mod openrc;
mod package_cache;
mod packages;
mod paths;
mod program;
mod service;
mod staged;
mod system;

pub use error::ActionError;
pub use executor::Executor;
pub use installed::installed_packages;
pub use package_cache::PackageCache;
