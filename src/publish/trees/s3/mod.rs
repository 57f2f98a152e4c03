//! Publishes to a bucket of an object store, by the S3 API.
//!
//! A store has no folders and renames nothing. The manifest makes a version complete, so it is written last and removed first.
//! `latest` is a small object that contains the name of the version.

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
