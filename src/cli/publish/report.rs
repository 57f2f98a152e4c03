//! Tells people and programs what publishing does, and what it has done at each target.

use std::sync::Arc;

use serde_json::json;

use super::failing;
use crate::cli::failure::Failure;
use crate::cli::jsonl::JsonReporter;
use crate::cli::output::{StandardOutput, print};
use crate::cli::progress::TerminalReporter;
use crate::cli::settings::Global;
use crate::event::Reporter;
use crate::publish;

/// The output about publishing.
pub(in crate::cli) struct PublishReport {
    screen: Arc<TerminalReporter>,
    lines: Option<Arc<JsonReporter<StandardOutput>>>,
}

impl PublishReport {
    pub(in crate::cli) fn new(lines: Option<Arc<JsonReporter<StandardOutput>>>, global: &Global) -> Self {
        Self { screen: Arc::new(TerminalReporter::on_stderr(global.terminal)), lines }
    }

    /// Returns the reporter for the events of publishing.
    pub(in crate::cli) fn reporter(&self) -> Arc<dyn Reporter> {
        match &self.lines {
            Some(lines) => Arc::clone(lines) as _,
            None => Arc::clone(&self.screen) as _,
        }
    }

    /// Prints what was done at each target. Returns a failure if a target has failed.
    pub(in crate::cli) fn print(&self, outcomes: Vec<publish::Outcome>) -> Result<(), Failure> {
        self.screen.finish();
        let targets = outcomes.len();
        let mut failures = Vec::new();
        for outcome in outcomes {
            let of = if targets > 1 { format!("{}: ", outcome.target) } else { String::new() };
            match (outcome.result, &self.lines) {
                (Ok(operations), Some(lines)) => {
                    lines.line(&json!({ "event": "published", "target": outcome.target, "operations": operations }));
                }
                (Ok(operations), None) if operations.is_empty() => print(&format!("{of}there was nothing to do\n")),
                (Ok(operations), None) => {
                    print(&operations.iter().map(|operation| format!("{of}{operation}\n")).collect::<String>())
                }
                (Err(error), lines) => {
                    let failure = failing::failure(&error);
                    if let Some(lines) = lines {
                        let (target, error) = (&outcome.target, &failure.message);
                        lines.line(&json!({ "event": "not-published", "target": target, "error": error }));
                    }
                    failures.push((outcome.target, failure));
                }
            }
        }
        failing::all(failures, targets)
    }
}
