//! Collects the results of an engine's jobs.

use std::time::Duration;

use super::args::Collect;
use crate::cli::build::{Outcomes, Row, failures, print_rows, write_junit};
use crate::cli::failure::{Failure, FailureKind};
use crate::cli::options::output_root;
use crate::cli::settings::Global;

/// Prints what became of each image, writes one report for CI services, and fails as a build on one machine would.
pub(super) fn collect(args: &Collect, global: &Global) -> Result<(), Failure> {
    let sources = args.source.read(global)?;
    let out = args.out.clone().unwrap_or_else(|| output_root(global));
    let names = sources.images.iter().map(|image| image.loaded.recipe.name.as_str());
    let rows = rows(&Outcomes::below(&out), names, args.run.as_deref());
    print_rows(&rows, global);
    write_junit(&out, &rows)?;
    failures(rows, Ok(()), global)
}

/// Returns what became of images.
pub(super) fn rows<'a>(outcomes: &Outcomes, names: impl Iterator<Item = &'a str>, run: Option<&str>) -> Vec<Row> {
    let stages = outcomes.failed_stages(run);
    let row = |name: &'a str| {
        if let Some(row) = outcomes.find(name, run) {
            return row;
        }
        let stage = stages.iter().find(|stage| stage.images.iter().any(|image| image == name));
        let failure = match stage {
            Some(stage) => {
                let message = format!(
                    "not tried: stage {} has failed, on which it rests: {}",
                    stage.number, stage.failure.message
                );
                Failure { kind: stage.failure.kind, ..Failure::of(FailureKind::Build, message) }
            }
            None => Failure::of(FailureKind::Host, "its job has left no result: it has not run, or was killed")
                .hint("look at the log of the job"),
        };
        Row::failed(name, if stage.is_some() { "not tried" } else { "lost" }, Duration::ZERO, failure)
    };
    names.map(row).collect()
}
