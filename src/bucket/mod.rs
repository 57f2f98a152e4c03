//! A bucket of an object store with the S3 API: requests, uploads, errors, and credentials in the files that AWS tools share.

mod client;
mod error;
mod ini;
mod leftovers;
pub mod profile;
mod upload;

pub(crate) use client::{Client, body, header};
pub use error::{Place, S3Error};
pub(crate) use leftovers::is_older;
pub use rusty_s3::Credentials;
pub(crate) use upload::{Object, Progress, Upload, open};
