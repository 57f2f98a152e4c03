//! Builds the disk of a plan. A build runs each step in a guest and keeps the changes of the step as a layer. If an earlier build
//! has left this layer, the build uses it and does not run the step.
//!
//! ```text
//! for each step:  claim its layer ── hit ──> next
//!                       └─ miss: the slot is ours ──> overlay on the parent ──> run ──> freeze ──> commit
//! ```
//!
//! Keys contain their parent's key, so hits come first and misses follow. The guest is launched at the first miss, at the same
//! time as a bootstrap, and never if there is no miss.

pub mod actions;
mod base;
mod claim;
mod disk;
mod error;
mod extract;
mod facts;
mod failure;
mod finalize;
mod installed;
mod locked;
mod new_layer;
mod service;
mod session;
mod steps;
mod turn;
mod waiting;
mod workshop;

pub use disk::{BuiltDisk, FinalDisk, OpenedImage};
pub use error::BuildError;
pub use extract::{BOOT, BootFacts, Examine, Examiner, Range, boot_facts, examination};
pub use failure::{AfterFailure, OnFailure};
pub use finalize::finalize;
pub use session::{Install, Launch, Session};
pub use steps::build;
pub use waiting::{WaitError, wait};
pub use workshop::{MakeBase, Workshop};
