//! Runs `goldsmith build`.

use std::sync::Arc;
use std::time::Instant;

use super::args::Build;
use super::image::Image;
use super::outcomes::Outcomes;
use super::table::Row;
use super::{batch, stage, verdict};
use crate::cli::build_host::BuildHost;
use crate::cli::failure::{Failure, FailureKind};
use crate::cli::options::{RemoteUse, Sources, output_dir, output_root};
use crate::cli::plan;
use crate::cli::publish::PublishReport;
use crate::cli::settings::Global;
use crate::cli::signals;
use crate::cli::telemetry::Telemetry;
use crate::cli::view::View;
use crate::pipeline::Source;

/// Builds the images that recipes describe.
pub(in crate::cli) fn build(args: &Build, global: &Global) -> Result<(), Failure> {
    let telemetry = Arc::new(Telemetry::open(args.metrics.as_deref(), global)?);
    let built = build_all(args, &telemetry, global);
    telemetry.finish(global);
    built
}

fn build_all(args: &Build, telemetry: &Arc<Telemetry>, global: &Global) -> Result<(), Failure> {
    let sources = args.source.read(global)?;
    if args.run.is_some() && args.cell.is_none() && args.stage.is_none() {
        let failure = Failure::of(FailureKind::Usage, "--run names the run of a cell or of a stage");
        return Err(failure.hint("give --cell or --stage as well"));
    }
    if let Some(cell) = &args.cell {
        return one_cell(args, cell, sources, telemetry, global);
    }
    if let Some(number) = args.stage {
        return stage::build(args, number, sources.images, telemetry, global);
    }
    let Sources { mut images, several } = sources;
    if args.dry_run {
        return plan::show(images, several, (&args.planning, &args.remote), global);
    }
    match images.pop() {
        Some(source) if !several => alone(args, source, telemetry, global),
        last => batch::build(args, images.into_iter().chain(last).collect(), telemetry, global),
    }
}

/// Builds one image of several, and keeps the result for the job that collects those of all.
fn one_cell(
    args: &Build,
    cell: &str,
    sources: Sources,
    telemetry: &Arc<Telemetry>,
    global: &Global,
) -> Result<(), Failure> {
    let source = sources.cell(cell)?;
    let name = source.loaded.recipe.name.clone();
    let root = output_root(global);
    let outcomes = Outcomes::below(args.out.as_deref().unwrap_or(&root));
    outcomes.forget_cell(&name)?;
    let begun = Instant::now();
    let built = batch::build(args, vec![source], telemetry, global);
    if let Err(failure) = &built
        && !outcomes.has_cell(&name)
    {
        outcomes.keep(&Row::failed(&name, "failed", begun.elapsed(), failure.clone()), args.run.as_deref())?;
    }
    built
}

/// Builds the image of a recipe that describes only one.
fn alone(args: &Build, source: Source, telemetry: &Arc<Telemetry>, global: &Global) -> Result<(), Failure> {
    let view = View::new(global);
    let mut host = BuildHost::new(&args.planning.machine, global)?;
    host.host.access = args.network;
    host.telemetry = Arc::clone(telemetry);
    host.remote = args.remote.open(RemoteUse::Build { writes: args.remote_cache_write }, global)?;
    let interrupt = signals::interrupt()?;
    let out = output_dir(args.out.as_deref(), &source.loaded.recipe.name, false, global);
    let image =
        Image::new(args, source, out, view.clone(), (&host, &interrupt, args.planning.pinning.policy()), global)?;
    let publish_view = view.further(global);
    let outcome = image.build(args, &publish_view, None).map_err(|not_made| not_made.failure)?;
    if let Some(verdict) = &outcome.made.verdict {
        verdict::judge(verdict, &outcome.made.exported)?;
    }
    PublishReport::new(publish_view).print(outcome.published)
}
