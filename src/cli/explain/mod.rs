//! The command `goldsmith explain`: which element or line of a recipe brings a step, a file or a package, what a script sees, and what
//! a check or an exit code means.

mod answer;
mod codes;
mod command;
mod described;
mod general;
mod places;
mod subject;

pub(super) use codes::CODES;
pub(super) use command::{Explain, explain};
