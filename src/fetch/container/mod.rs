//! Container images as bases: by the OCI Image Format Specification and the OCI Distribution Specification, and as Docker writes
//! them. Goldsmith takes their layers and runs nothing of them.
//!
//! Every manifest, configuration and layer is known by its digest and size before it is read, and is kept in the cache under its
//! digest, beside base images.

mod access;
mod archive;
mod auth;
mod blobs;
mod challenge;
mod error;
mod image;
mod layout;
mod registry;
mod repository;
mod spec;

pub use auth::{AuthError, RegistryLogins};
pub use error::ContainerError;
pub use image::{Container, fetch};
pub use repository::{Repository, RepositoryError, Sent};
