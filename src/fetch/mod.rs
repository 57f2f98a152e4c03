//! Downloads what a build needs: images, lists of packages, signatures. Goldsmith first pins an input to its digest, and then
//! accepts only a file with this digest.

pub(crate) mod certificates;
pub(crate) mod connection;
pub mod container;
#[cfg(test)]
mod foreign_tests;
pub(crate) mod http;
pub mod image;
mod image_error;
mod index_date;
mod limited;
mod listed;
pub mod mirrors;
pub mod netrc;
mod network;
pub mod pins;
mod proxies;
pub mod repository;
mod secret;
mod signature;
mod sums;
mod transfer;

pub use crate::distro::Mirrors;
pub use certificates::MirrorCertificates;
pub use connection::{HttpError, redacted};
pub use mirrors::host_mirrors;
pub use network::Network;
pub use pins::PinPolicy;
pub use proxies::{Proxies, ProxyError};
pub use secret::Secret;
pub use signature::SignatureError;
#[cfg(feature = "testing")]
pub use sums::checksum;
pub use sums::{Checksum, SumsFault};
