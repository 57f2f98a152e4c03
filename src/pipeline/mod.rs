//! The main job in one call: from a recipe to artifacts that were verified and published.
//!
//! ```text
//! Source ── Pipeline::prepare ─> Prepared ── Pipeline::make ─> Made ── publish::run ─> Vec<publish::Outcome>
//!          pin, plan                        build, export, verify
//! ```
//!
//! [`Pipeline::run`] does all of it. A [`Host`] starts guests and boots images: [`QemuHost`] by libguestfs and QEMU,
//! tests by guests in memory. Whoever embeds the crate says where work is done (a
//! [`Workshop`](crate::build::Workshop)), what is wanted ([`Options`]) and what happens when a step fails ([`Watch`]).

mod error;
mod host;
mod qemu;
mod run;
mod source;
mod verifying;

pub use error::PipelineError;
pub use host::{BootRequest, Host, HostError};
pub use qemu::QemuHost;
pub use run::{Made, Options, Outcome, Pipeline, Prepared, Publishing, Unattended, Watch};
pub use source::Source;
pub use verifying::Verdict;
