//! From a final disk to files that people use.
//!
//! A file for every output, `SHA256SUMS`, `manifest.json`. Each is written under a name of its own beside its
//! place, and appears there whole or not at all. The manifest comes last: it vouches for the rest.

mod artifact;
mod disks;
mod error;
mod folder;
pub mod manifest;
pub mod origin;
mod run;
mod trees;

pub(crate) use artifact::sums;
pub use artifact::{Artifact, Exported};
pub use error::ExportError;
pub use run::{check, export, verified};
