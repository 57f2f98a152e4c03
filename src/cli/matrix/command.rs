//! Runs `goldsmith matrix`.

use super::args::{Matrix, MatrixPlan, MatrixVerb};
use super::{collect, workflow};
use crate::cli::failure::{Failure, FailureKind};
use crate::cli::output::print;
use crate::cli::settings::Global;

/// Writes the file of an engine, or collects the results of its jobs.
pub(in crate::cli) fn matrix(args: &Matrix, grammar: &clap::Command, global: &Global) -> Result<(), Failure> {
    match &args.command {
        MatrixVerb::Plan(args) => plan(args, grammar, global),
        MatrixVerb::Collect(args) => collect::collect(args, global),
    }
}

fn plan(args: &MatrixPlan, grammar: &clap::Command, global: &Global) -> Result<(), Failure> {
    let workflow = workflow::of(args, grammar, global)?;
    if global.json {
        print(&format!("{}\n", serde_json::json!(workflow)));
        return Ok(());
    }
    let text = args.engine.engine().write(&workflow, args.at_most);
    print(&text.map_err(|error| Failure::new(FailureKind::Usage, &error))?);
    Ok(())
}
