//! OpenStack: the configuration of clouds, login at Keystone, and the clients of the image service and the key manager.
//!
//! The client asks what a service offers, and assumes nothing. Messages contain no secrets: see [`Secret`](crate::fetch::Secret).

mod agent;
mod answer;
mod barbican;
pub mod base;
pub mod cache;
mod catalog;
mod change;
mod client;
pub mod config;
mod download;
mod error;
pub mod image;
pub mod import;
pub mod metadefs;
mod retry;
mod sending;
pub mod signature;
pub mod tokens;
mod transfer;
pub mod upload;

pub use crate::fetch::Proxies;
pub use change::{Change, Member, Store};
pub use client::Cloud;
pub use download::{DownloadError, part};
pub use error::CloudError;
pub use upload::UploadError;
