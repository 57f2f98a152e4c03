//! Runs `goldsmith build`.

use super::args::Build;
use super::batch;
use super::image::Image;
use super::verdict;
use crate::cli::build_host::BuildHost;
use crate::cli::failure::Failure;
use crate::cli::options::{RemoteUse, Sources, output_dir};
use crate::cli::plan;
use crate::cli::publish::PublishReport;
use crate::cli::settings::Global;
use crate::cli::signals;
use crate::cli::view::View;
use crate::pipeline::Source;

/// Builds the images that recipes describe.
pub(in crate::cli) fn build(args: &Build, global: &Global) -> Result<(), Failure> {
    let Sources { mut images, several } = args.source.read(global)?;
    if args.dry_run {
        return plan::show(images, several, (&args.planning, &args.remote), global);
    }
    match images.pop() {
        Some(source) if !several => alone(args, source, global),
        last => batch::build(args, images.into_iter().chain(last).collect(), global),
    }
}

/// Builds the image of a recipe that describes only one.
fn alone(args: &Build, source: Source, global: &Global) -> Result<(), Failure> {
    let view = View::new(global);
    let mut host = BuildHost::new(&args.planning.machine, global)?;
    host.host.access = args.network;
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
