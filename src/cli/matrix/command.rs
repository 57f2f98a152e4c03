//! Runs `goldsmith matrix`.

use super::args::{Matrix, MatrixPlan, MatrixVerb, RunsOn};
use super::{collect, run, workflow};
use crate::cli::failure::{Failure, FailureKind};
use crate::cli::output::print;
use crate::cli::settings::Global;

/// Writes the file of an engine, runs its jobs, or collects their results.
pub(in crate::cli) fn matrix(args: &Matrix, grammar: &clap::Command, global: &Global) -> Result<(), Failure> {
    match &args.command {
        MatrixVerb::Plan(args) => plan(args, grammar, global),
        MatrixVerb::Run(args) => match args.on {
            RunsOn::Slurm => run::run(args, grammar, global),
        },
        MatrixVerb::Collect(args) => collect::collect(args, global),
    }
}

fn plan(args: &MatrixPlan, grammar: &clap::Command, global: &Global) -> Result<(), Failure> {
    let engine = args.engine;
    let workflow = workflow::of(&args.build, engine, args.container.as_deref(), grammar, global)?;
    if global.json {
        print(&format!("{}\n", serde_json::json!(workflow)));
        return Ok(());
    }
    let text = engine.write(&workflow, args.at_most);
    print(&text.map_err(|error| Failure::new(FailureKind::Usage, &error))?);
    Ok(())
}
