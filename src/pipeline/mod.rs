//! The pipeline: a whole job in one call, from a recipe to verified and published artifacts.
//!
//! ```text
//! Source ── Pipeline::prepare ─> Prepared ── Pipeline::make ─> Made ── publish::run ─> Vec<publish::Outcome>
//!          pin, plan                        build, export, verify
//! ```
//!
//! [`Pipeline::run`] does all of it. A [`Host`] starts guests and boots images: [`QemuHost`] with libguestfs and QEMU, a test
//! with guests in memory. The caller provides the directories ([`Workshop`](crate::build::Workshop)), the [`Options`] and the
//! reaction to failed steps ([`Watch`]).

pub mod batch;
mod error;
mod host;
mod qemu;
mod run;
mod source;
mod verifying;

pub use error::PipelineError;
pub use host::{BootRequest, Host, HostError};
pub use qemu::QemuHost;
pub use run::{Made, Options, Outcome, Pipeline, Prepared, Publishing, StopAtFailure, Watch};
pub use source::Source;
pub use verifying::Verdict;
