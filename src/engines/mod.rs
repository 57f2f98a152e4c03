//! Files for engines that spread the images of a matrix over machines: Slurm, Kubernetes and CI services.
//!
//! [`Workflow`] says what is to be done, as pure data: first the stages, which are steps that several images share; then the cells, an
//! image each; at the end one job that collects the results. [`Engine::write`] makes the file of an engine of it. What the files of the
//! engines look like is data too: `templates/` has one for each. No engine needs anything of Goldsmith but its command line.
//!
//! An engine tries a job again after exit code 11 and signals, and after nothing else: a recipe with an error fails everywhere.

mod engine;
pub mod slurm;
mod template;
mod workflow;

pub use engine::{Engine, EngineError};
pub use workflow::{Cell, Needs, Piece, Remote, Stage, Workflow};
