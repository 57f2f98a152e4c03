//! Exports: makes the files that users get from the final disk of a build.
//!
//! It writes a file for every output, `SHA256SUMS` and `manifest.json`. Each one is written under a temporary name and renamed
//! when it is complete. The manifest comes last: it shows that the others are complete.

mod artifact;
mod disks;
mod earlier;
mod error;
mod folder;
pub mod manifest;
pub mod origin;
mod run;
mod trees;

pub(crate) use artifact::sums;
pub use artifact::{Artifact, Exported};
pub use earlier::Past;
pub use error::ExportError;
pub use run::{check, export, verified};
