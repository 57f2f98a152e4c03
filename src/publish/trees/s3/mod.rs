//! A bucket of an object store as a target, by the S3 API that most of them have.
//!
//! A store has no folders and renames nothing. So the manifest of a version, which tells that it is there, is written last and
//! removed first, and `latest` is a small object with the name of the version.

mod client;
mod error;
mod ini;
mod leftovers;
pub mod profile;
mod store;
mod upload;

pub use error::{Place, S3Error};
pub use rusty_s3::Credentials;
pub use store::Store;
