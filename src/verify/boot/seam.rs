//! Checks the root file system alone, for tests that do not boot an image.

use super::answers::Answers;
use super::{probe, rules};
use crate::verify::Finding;

/// Runs the question, which is a script for `sh`, and judges its output; `None` if the answer breaks off.
pub fn root_seen(run: impl FnOnce(&str) -> String) -> Option<Finding> {
    let answers = Answers::parse("@@", &run(&probe::root("@@")))?;
    Some(rules::root_fills(&answers))
}
