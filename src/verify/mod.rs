//! Verifies an image: looks at its files, boots it as a cloud would, and reports which checks passed and which failed.
//!
//! ```text
//! guest ── statics::examine ─> Examination ─┐
//! image ── boot::boot ───────> Vec<Boot> ───┴─> Report ── report::{html, junit} ──> files
//! ```
//!
//! A [`Rule`] says what must be true, why, and what to do if it is not. A [`Finding`] is the result of a rule for one image.
//! Rules are data, and judges are pure functions: all facts are gathered first.

mod assemble;
pub mod boot;
mod examination;
mod examiner;
mod finding;
mod profile;
pub mod report;
mod result;
pub mod statics;
mod tally;

pub use examination::{Examination, Subject, Usage};
pub use examiner::{examiner, ids, key, rules};
pub use finding::{Finding, Group, Outcome, Rule, Severity, Stage};
pub use profile::{Boot, Milestone, Profile};
pub use result::{ImageFacts, Report};
pub use tally::Tally;
