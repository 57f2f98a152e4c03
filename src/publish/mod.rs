//! Publishes images: uploads the artifacts of a build to the targets that the recipe names, each in one transaction.
//!
//! Targets are independent: publishing runs on all of them in parallel, and a failure at one undoes nothing at another.
//! [`images`] are image services of clouds; [`trees`] are directories and object stores.

mod context;
mod error;
pub mod images;
mod operation;
mod problem;
mod run;
mod subject;
pub mod trees;

pub use context::{Context, Keys, Verb};
pub use error::{PublishError, SigningError};
pub use operation::Operation;
pub use problem::Problem;
pub use run::{Outcome, label, run};
pub use subject::{Source, SourceError, Subject};
pub use trees::TreeError;
