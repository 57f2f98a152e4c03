//! Publishes images to trees of files, for download: in a directory or in an object store.
//!
//! ```text
//! NAME/20261121T191500Z/   the artifacts, SHA256SUMS, its signatures, manifest.json
//! NAME/latest              the promoted version
//! streams/v1/              an index of all images
//! ```
//!
//! A version is complete if it has a manifest. The index is generated from the complete versions, so it is never out of date.

pub mod directory;
mod error;
pub mod image_version;
mod index;
mod manage;
mod publication;
mod rollback;
pub mod s3;
pub mod sign;
mod simplestreams;
mod storage;
mod target;

pub use error::TreeError;
pub use manage::{Allowed, ManageError, Promoted, Tree, TreeImage};
pub(super) use target::{directory, s3_bucket};
