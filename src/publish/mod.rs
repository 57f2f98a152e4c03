//! Publishing: artifacts of a build, handed to what a recipe names as one transaction each.
//!
//! Targets know nothing of each other: they are published to side by side, and what goes wrong with one undoes nothing of
//! another. [`images`] are image services of clouds, [`trees`] are directories and object stores.

mod context;
mod deed;
mod error;
pub mod images;
mod problem;
mod run;
mod subject;
pub mod trees;

pub use context::{Context, Keys, Verb};
pub use deed::Deed;
pub use error::{PublishError, SigningError};
pub use problem::Problem;
pub use run::{Outcome, label, run};
pub use subject::{Source, SourceError, Subject};
pub use trees::TreeError;
