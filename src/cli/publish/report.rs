//! Tells people and programs what publishing does, and what it has done at each target.

use serde_json::json;

use super::failing;
use crate::cli::failure::Failure;
use crate::cli::output::print;
use crate::cli::view::View;
use crate::publish;

/// The output about publishing.
pub(in crate::cli) struct PublishReport {
    view: View,
}

impl PublishReport {
    /// Makes the output of a display that shows the events of publishing.
    pub(in crate::cli) fn new(view: View) -> Self {
        Self { view }
    }

    /// Prints what was done at each target. Returns a failure if a target has failed.
    pub(in crate::cli) fn print(&self, outcomes: Vec<publish::Outcome>) -> Result<(), Failure> {
        self.view.finish();
        let targets = outcomes.len();
        let mut failures = Vec::new();
        for outcome in outcomes {
            let of = if targets > 1 { format!("{}: ", outcome.target) } else { String::new() };
            match outcome.result {
                Ok(operations) if !self.view.is_screen() => {
                    self.view
                        .line(&json!({ "event": "published", "target": outcome.target, "operations": operations }));
                }
                Ok(operations) if operations.is_empty() => print(&format!("{of}there was nothing to do\n")),
                Ok(operations) => {
                    print(&operations.iter().map(|operation| format!("{of}{operation}\n")).collect::<String>())
                }
                Err(error) => {
                    let failure = failing::failure(&error);
                    let (target, error) = (&outcome.target, &failure.message);
                    self.view.line(&json!({ "event": "not-published", "target": target, "error": error }));
                    failures.push((outcome.target, failure));
                }
            }
        }
        failing::all(failures, targets)
    }
}
