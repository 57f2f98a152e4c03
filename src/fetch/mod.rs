//! What a build needs from elsewhere: pinned to digests first, then fetched.

pub(crate) mod http;
pub mod image;
pub mod mirrors;
pub mod pins;
pub mod repository;
mod transfer;

pub use crate::distro::Mirrors;
pub use http::{HttpError, redacted};
pub use mirrors::host_mirrors;
pub use pins::PinPolicy;
