//! Several images of one `goldsmith build`: they share layers, are built side by side, and end with one table.

use std::sync::Arc;
use std::time::{Duration, Instant};

use super::args::Build;
use super::image::{Image, NotMade};
use super::on_failure::OnFailureOption;
use super::outcomes::Outcomes;
use super::table::{self, Row};
use super::verdict;
use crate::cli::build_host::BuildHost;
use crate::cli::failure::{Failure, FailureKind};
use crate::cli::options::{RemoteUse, output_dir, output_root};
use crate::cli::publish::PublishReport;
use crate::cli::settings::Global;
use crate::cli::signals;
use crate::cli::telemetry::Telemetry;
use crate::cli::view::View;
use crate::export::Artifact;
use crate::layer::LayerKey;
use crate::pipeline::batch::{self, Ended, Tried};
use crate::pipeline::{Outcome, Source};
use crate::plan::StepId;
use crate::process::at_once;
use crate::publish;
use crate::units::ByteSize;

/// Memory that a build needs besides that of its guest: for mmdebstrap, or for compressing the image.
const OVERHEAD: u64 = 512 << 20;

/// An image whose work has ended.
struct Done {
    outcome: Result<Outcome, Failure>,
    elapsed: Duration,
}

/// Builds several images.
pub(super) fn build(
    args: &Build,
    sources: Vec<Source>,
    telemetry: &Arc<Telemetry>,
    global: &Global,
) -> Result<(), Failure> {
    let jobs = args.jobs.unwrap_or_else(|| at_once(1, args.planning.machine.memory.get() + OVERHEAD));
    if matches!(args.on_failure, OnFailureOption::Shell | OnFailureOption::Wait) && jobs > 1 {
        return Err(Failure::of(FailureKind::Usage, "`--on-failure shell` and `wait` stop at one image at a time")
            .hint("build one image after the other: `--jobs 1`"));
    }
    let interrupt = signals::interrupt()?;
    let view = View::new(global);
    let mut hosts: Vec<BuildHost> =
        sources.iter().map(|_| BuildHost::new(&args.planning.machine, global)).collect::<Result<_, _>>()?;
    let room = hosts.first().map(|host| host.host.room.clone()).unwrap_or_default();
    let remote = args.remote.open(RemoteUse::Build { writes: args.remote_cache_write }, global)?;
    for host in &mut hosts {
        host.remote.clone_from(&remote);
        host.telemetry = Arc::clone(telemetry);
        host.host.access = args.network;
        // All images verify on the same processors.
        host.host.room = room.clone();
    }
    let longest = sources.iter().map(|source| source.loaded.recipe.name.chars().count()).max().unwrap_or(0);
    // Images that are refreshed at the same time share what is new.
    let pins = args.planning.pinning.policy();
    let mut images = Vec::new();
    for (source, host) in sources.into_iter().zip(&hosts) {
        let name = source.loaded.recipe.name.clone();
        let out = output_dir(args.out.as_deref(), &name, true, global);
        images.push(Image::new(args, source, out, view.of_image(&name, longest), (host, &interrupt, pins), global)?);
    }
    // The images whose base cannot be pinned fail now; the others are built.
    let mut early: Vec<Option<Failure>> = Vec::new();
    let mut plans: Vec<Planned<'_, '_>> = Vec::new();
    for image in &images {
        let prepared = image.pipeline.prepare_build(&mut image.pipeline.session());
        early.push(match prepared {
            Ok(prepared) => {
                let steps = prepared.plan.steps.into_iter().map(|step| (step.id, step.key)).collect();
                plans.push(Planned { image, steps });
                None
            }
            Err(error) => Some(image.failure(&error)),
        });
    }
    let chains: Vec<Vec<LayerKey>> =
        plans.iter().map(|plan| plan.steps.iter().map(|(_, key)| *key).collect()).collect();
    let Some(first) = images.first() else { return Ok(()) };
    let store = &first.pipeline.workshop().store;
    let mut ended = batch::run(&chains, jobs, store, &interrupt, |number| plans[number].build(args)).into_iter();
    view.finish();
    let mut published = Vec::new();
    let mut rows = Vec::new();
    for (image, early) in images.iter().zip(early) {
        if let Some(failure) = early {
            rows.push(Row::failed(&image.name, "failed", Duration::ZERO, failure));
            continue;
        }
        rows.push(match ended.next() {
            Some(Ended::Tried(done)) => row(image, done, &mut published),
            Some(Ended::Blocked { by, layer }) => {
                let step = plans[by].steps.iter().find(|(_, key)| *key == layer).map(|(step, _)| step.to_string());
                let (step, by) = (step.unwrap_or_default(), &plans[by].image.name);
                let message = format!("not tried: it needs the step `{step}`, which has failed in {by}");
                Row::failed(&image.name, "not tried", Duration::ZERO, Failure::of(FailureKind::Build, message))
            }
            Some(Ended::Interrupted) | None => {
                let failure = Failure::of(FailureKind::Interrupted, "not begun: the user has interrupted the build");
                Row::failed(&image.name, "not begun", Duration::ZERO, failure)
            }
        });
    }
    table::print_rows(&rows, global);
    let root = output_root(global);
    let dir = args.out.as_deref().unwrap_or(&root);
    match (&args.cell, rows.first()) {
        // The job that collects the results of all cells writes the report.
        (Some(_), Some(row)) => Outcomes::below(dir).keep(row, args.run.as_deref())?,
        _ => table::write_junit(dir, &rows)?,
    }
    let published = PublishReport::new(view.clone()).print(published);
    table::failures(rows, published, global)
}

/// An image with the steps of its plan.
struct Planned<'i, 'h> {
    image: &'i Image<'h>,
    steps: Vec<(StepId, LayerKey)>,
}

impl Planned<'_, '_> {
    fn build(&self, args: &Build) -> Tried<Done> {
        let started = Instant::now();
        let (outcome, failed) = match self.image.build(args, &self.image.view, Some(&self.steps)) {
            Ok(outcome) => (Ok(outcome), None),
            Err(NotMade { failure, layer }) => (Err(failure), layer),
        };
        Tried { result: Done { outcome, elapsed: started.elapsed() }, failed }
    }
}

fn row(image: &Image<'_>, done: Done, published: &mut Vec<publish::Outcome>) -> Row {
    let Done { outcome, elapsed } = done;
    let outcome = match outcome {
        Ok(outcome) => outcome,
        Err(failure) => return Row::failed(&image.name, "failed", elapsed, failure),
    };
    published.extend(
        outcome
            .published
            .into_iter()
            .map(|outcome| publish::Outcome { target: format!("{}: {}", image.name, outcome.target), ..outcome }),
    );
    let exported = &outcome.made.exported;
    let next = image.next(&outcome.made);
    if let Some(Err(failure)) = outcome.made.verdict.as_ref().map(|verdict| verdict::judge(verdict, exported)) {
        return Row { next, ..Row::failed(&image.name, "not verified", elapsed, failure) };
    }
    let file = |artifact: &Artifact| {
        format!("{} ({})", exported.dir.join(&artifact.file).display(), ByteSize::bytes(artifact.size))
    };
    let about = exported.artifacts.iter().map(file).collect::<Vec<_>>().join(", ");
    let result = match (&outcome.made.verdict, exported.unchanged) {
        (Some(_), _) => "verified",
        (None, true) => "unchanged",
        (None, false) => "built",
    };
    let checked = outcome.made.verdict.is_some();
    Row { name: image.name.clone(), result: result.to_owned(), elapsed, checked, about, next, failure: None }
}
