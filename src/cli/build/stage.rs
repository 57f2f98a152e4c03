//! One stage of several images: the steps that they share are made and shared with other machines, and no image is made.

use std::sync::Arc;
use std::time::Instant;

use serde_json::json;

use super::args::Build;
use super::image::Image;
use super::outcomes::Outcomes;
use super::table::Row;
use crate::cli::build_host::BuildHost;
use crate::cli::failure::{Failure, FailureKind};
use crate::cli::options::{RemoteUse, output_root};
use crate::cli::output::print;
use crate::cli::settings::Global;
use crate::cli::telemetry::Telemetry;
use crate::cli::view::View;
use crate::cli::{plan, signals};
use crate::engines::Stage;
use crate::pipeline::Source;
use crate::plan::Graph;

/// Makes the steps of a stage, and keeps the result for the job that collects those of all.
pub(super) fn build(
    args: &Build,
    number: usize,
    images: Vec<Source>,
    telemetry: &Arc<Telemetry>,
    global: &Global,
) -> Result<(), Failure> {
    let begun = Instant::now();
    let out = args.out.clone().unwrap_or_else(|| output_root(global));
    let outcomes = Outcomes::below(&out);
    outcomes.forget_stage(number)?;
    // Without a plan it is not known which images rest on the stage.
    let mut blocked: Vec<String> = images.iter().map(|image| image.loaded.recipe.name.clone()).collect();
    let made = find(args, number, &images, global).and_then(|stage| {
        blocked.clone_from(&stage.images);
        make(args, &stage, images, telemetry, global)
    });
    let row = match &made {
        Ok((cached, run)) => Row {
            name: number.to_string(),
            result: "made".to_owned(),
            elapsed: begun.elapsed(),
            checked: false,
            about: format!("{cached} steps cached, {run} run"),
            next: Vec::new(),
            failure: None,
        },
        Err(failure) => Row::failed(&number.to_string(), "failed", begun.elapsed(), failure.clone()),
    };
    outcomes.keep_stage(number, &row, &blocked, args.run.as_deref())?;
    let (cached, run) = made?;
    if global.json {
        let steps = json!({ "cached": cached, "run": run });
        print(&format!("{}\n", json!({ "event": "stage-made", "stage": number, "steps": steps, "images": blocked })));
    } else {
        print(&format!("stage {number} is made for {} images: {}\n", blocked.len(), row.about));
    }
    Ok(())
}

/// Finds a stage in the plans of all images.
fn find(args: &Build, number: usize, images: &[Source], global: &Global) -> Result<Stage, Failure> {
    let plans = plan::plans(images.to_vec(), &args.planning, global)?;
    let stages = Stage::all(&Graph::of(&plans));
    let count = stages.len();
    stages.into_iter().nth(number).ok_or_else(|| {
        let message = format!("`--stage {number}`: the images have {count} stages, which are counted from 0");
        Failure::of(FailureKind::Usage, message)
            .hint("if a recipe has changed, write the file of the engine again with `goldsmith matrix plan`")
    })
}

/// Makes the steps of a stage, by the plan of the first image that has it. Returns how many were cached, and how many have run.
fn make(
    args: &Build,
    stage: &Stage,
    images: Vec<Source>,
    telemetry: &Arc<Telemetry>,
    global: &Global,
) -> Result<(usize, usize), Failure> {
    let out = args.out.clone().unwrap_or_else(|| output_root(global));
    let mut host = BuildHost::new(&args.planning.machine, global)?;
    host.host.access = args.network;
    host.telemetry = Arc::clone(telemetry);
    host.remote = args.remote.open(RemoteUse::Build { writes: args.remote_cache_write }, global)?;
    let interrupt = signals::interrupt()?;
    let first = images.into_iter().find(|image| stage.images.contains(&image.loaded.recipe.name));
    let first = first.expect("a stage has images");
    let log = Outcomes::below(&out).stage_dir(stage.number);
    let means = (&host, &interrupt, args.planning.pinning.policy());
    let image = Image::new(args, first, log, View::new(global), means, global)?;
    image.make_layers(args, stage.steps)?;
    Ok(image.steps())
}
