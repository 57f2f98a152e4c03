//! The options of `goldsmith build`, and the function that runs it.

use std::num::NonZeroUsize;
use std::path::PathBuf;
use std::time::Duration;

use clap::Args;

use super::batch;
use super::image::Image;
use super::on_failure::OnFailureOption;
use super::verdict;
use crate::cli::build_host::BuildHost;
use crate::cli::cloud::CloudOptions;
use crate::cli::failure::Failure;
use crate::cli::options::{GuestOptions, PinOptions, RecipeOptions, Sources, output_dir};
use crate::cli::parse::parse_word;
use crate::cli::plan;
use crate::cli::publish::PublishReport;
use crate::cli::settings::Global;
use crate::cli::signals;
use crate::cli::view::View;
use crate::pipeline::Source;
use crate::recipe::verify::NetworkAccess;
use crate::units::parse_duration;

/// `goldsmith build`.
#[derive(Debug, Args)]
pub(in crate::cli) struct Build {
    /// The recipes.
    #[command(flatten)]
    pub(in crate::cli) source: RecipeOptions,
    /// Directory for the artifacts; several images get a directory each below it [default: out/<image name>]
    #[arg(short, long, value_name = "DIR")]
    pub(in crate::cli) out: Option<PathBuf>,
    /// The pinning of mirrors and base images.
    #[command(flatten)]
    pub(in crate::cli) pinning: PinOptions,
    /// The guest.
    #[command(flatten)]
    pub(in crate::cli) machine: GuestOptions,
    /// What steps with network access reach: user (what this host reaches), host (this host too), isolated (nothing)
    #[arg(long, value_name = "ACCESS", default_value = "user", value_parser = parse_word::<NetworkAccess>)]
    pub(in crate::cli) network: NetworkAccess,
    /// How long a program of a step may run, if its action sets no `timeout`
    #[arg(long, value_name = "TIME", default_value = "30min", value_parser = parse_duration)]
    pub(in crate::cli) timeout: Duration,
    /// How many images are built at the same time [default: as processors and memory allow]
    #[arg(short, long, value_name = "NUMBER")]
    pub(in crate::cli) jobs: Option<NonZeroUsize>,
    /// What happens to the guest when a step fails
    #[arg(long, value_enum, default_value_t = OnFailureOption::Clean)]
    pub(in crate::cli) on_failure: OnFailureOption,
    /// Do not verify the image, even if the recipe has `verify`
    #[arg(long)]
    pub(in crate::cli) no_verify: bool,
    /// Publish the image to the recipe's targets after it has passed its checks
    #[arg(long, conflicts_with = "no_verify")]
    pub(in crate::cli) publish: bool,
    /// Publish the image although one that was built later is there
    #[arg(long, requires = "publish")]
    pub(in crate::cli) allow_older: bool,
    /// Show the plan instead of building it
    #[arg(long)]
    pub(in crate::cli) dry_run: bool,
    /// The cloud, where the recipe's targets name none.
    #[command(flatten)]
    pub(in crate::cli) cloud: CloudOptions,
}

/// Builds the images that recipes describe.
pub(in crate::cli) fn build(args: &Build, global: &Global) -> Result<(), Failure> {
    let Sources { mut images, several } = args.source.read(global)?;
    if args.dry_run {
        return plan::show(images, several, &args.pinning, &args.machine, global);
    }
    match images.pop() {
        Some(source) if !several => alone(args, source, global),
        last => batch::build(args, images.into_iter().chain(last).collect(), global),
    }
}

/// Builds the image of a recipe that describes only one.
fn alone(args: &Build, source: Source, global: &Global) -> Result<(), Failure> {
    let view = View::new(global);
    let mut host = BuildHost::new(&args.machine, global)?;
    host.host.access = args.network;
    let interrupt = signals::interrupt()?;
    let out = output_dir(args.out.as_deref(), &source.loaded.recipe.name, false);
    let image = Image::new(args, source, out, view.clone(), (&host, &interrupt), global)?;
    let publish_view = view.further(global);
    let outcome = image.build(args, &publish_view, None).map_err(|not_made| not_made.failure)?;
    if let Some(verdict) = &outcome.made.verdict {
        verdict::judge(verdict, &outcome.made.exported)?;
    }
    PublishReport::new(publish_view).print(outcome.published)
}
