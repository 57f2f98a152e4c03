//! OpenStack: which cloud, Keystone's token and catalog, and the image service.
//!
//! What a service offers is asked, never assumed. Secrets are in no message: see [`Secret`](crate::fetch::Secret).

mod agent;
mod barbican;
pub mod cache;
mod change;
mod client;
pub mod config;
mod download;
mod error;
pub mod image;
pub mod import;
pub mod metadefs;
mod retry;
pub mod signature;
mod transfer;
pub mod upload;

pub use crate::fetch::Proxies;
pub use change::{Change, Member, Store};
pub use client::Cloud;
pub use download::{DownloadError, part};
pub use error::CloudError;
pub use upload::UploadError;
