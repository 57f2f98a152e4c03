//! The options of `goldsmith publish`, and the function that runs it.

use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use clap::Args;

use super::failing;
use super::keys::Environment;
use super::report::PublishReport;
use super::target::TargetArgs;
use crate::cli::cloud::{self, CloudOptions};
use crate::cli::failure::{Failure, FailureKind};
use crate::cli::jsonl::JsonReporter;
use crate::cli::options::ReadingOptions;
use crate::cli::output::StandardOutput;
use crate::cli::settings::Global;
use crate::cli::{hints, signals};
use crate::export::manifest::Summary;
use crate::interrupt::Interrupt;
use crate::publish::{self, Context, SourceError, Subject, Verb};
use crate::recipe::publish::Target;
use crate::recipe::{self, Layout, System};
use crate::units::parse_duration;

/// `goldsmith publish`.
#[derive(Debug, Args)]
pub(in crate::cli) struct Publish {
    /// A recipe whose image is built, or the directory with the artifacts of a build
    #[arg(value_name = "RECIPE|DIR")]
    image: PathBuf,
    /// What the recipe is read with.
    #[command(flatten)]
    reading: ReadingOptions,
    /// Directory with the recipe's artifacts [default: out/<image name>]
    #[arg(short, long, value_name = "DIR")]
    out: Option<PathBuf>,
    /// Publish the image although one that was built later is there
    #[arg(long, conflicts_with_all = ["rollback", "cleanup"])]
    allow_older: bool,
    /// Promote the previous image again, and publish nothing
    #[arg(long, conflicts_with = "cleanup")]
    rollback: bool,
    /// Remove leftovers of interrupted runs, and publish nothing
    #[arg(long)]
    cleanup: bool,
    /// With --cleanup, keep everything that changed within this time
    #[arg(long, value_name = "TIME", default_value = "1h", value_parser = parse_duration, requires = "cleanup")]
    older_than: Duration,
    /// Only print what would be published, and what would be removed
    #[arg(long, conflicts_with = "rollback")]
    dry_run: bool,
    /// The target, where a recipe names none.
    #[command(flatten)]
    target: TargetArgs,
    /// The cloud.
    #[command(flatten)]
    cloud: CloudOptions,
}

/// Publishes an image that was built earlier, rolls back to the previous one, or removes leftovers.
pub(in crate::cli) fn publish(args: &Publish, global: &Global) -> Result<(), Failure> {
    let verb = match (args.rollback, args.cleanup) {
        (true, _) => Verb::RollBack,
        (_, true) => Verb::CleanUp { older_than: args.older_than, dry_run: args.dry_run },
        _ if args.dry_run => Verb::DryRun,
        _ => Verb::Publish,
    };
    args.target.check()?;
    let (subject, mut targets) = args.subject(global)?;
    if targets.is_empty() {
        let said = args.target.target(cloud::is_named(&args.cloud));
        let faults = said.faults(Some(&subject.outputs));
        if let Some(fault) = faults.into_iter().next() {
            return Err(Failure::of(FailureKind::Usage, fault.message).hint(fault.help));
        }
        targets.push(said);
    } else if !args.target.is_empty() {
        let failure = Failure::of(FailureKind::Usage, "the recipe says where and how its image is published");
        return Err(failure.hint("leave out the options about the target, or name the directory of the artifacts"));
    }
    let interrupt = Interrupt::new();
    signals::watch(interrupt.clone()).map_err(|error| Failure::new(FailureKind::Host, &error))?;
    let lines = global.json.then(|| Arc::new(JsonReporter::new(StandardOutput)));
    let publish_report = PublishReport::new(lines, global);
    let places = cloud::places(&args.cloud);
    let context = Context {
        subject: &subject,
        places,
        allow_older: args.allow_older,
        keys: &Environment,
        reporter: publish_report.reporter(),
        interrupt,
    };
    publish_report.print(publish::run(verb, &targets, &context))
}

impl Publish {
    /// Returns the image, and the targets of its recipe.
    fn subject(&self, global: &Global) -> Result<(Subject, Vec<Target>), Failure> {
        if self.image.is_dir() {
            let dir = self.image.clone();
            if !self.reading.is_empty() {
                let message =
                    format!("{} has artifacts that are made: no option about a recipe changes them", dir.display());
                let hint = "name the recipe instead of the directory, or leave out --param, --params, --elements and --distros";
                return Err(Failure::of(FailureKind::Usage, message).hint(hint));
            }
            let none = || failing::source(&SourceError::NoManifest { dir: dir.clone() });
            let summary = Summary::read(&dir).ok_or_else(none)?;
            let outputs = summary.artifacts.into_iter().map(|artifact| artifact.output).collect();
            return Ok((Subject { name: summary.name, outputs, dir }, Vec::new()));
        }
        let options = self.reading.load_options()?;
        let load = |system| recipe::load(&self.image, &options, system).map_err(|found| hints::recipe(&found, global));
        let mut loaded = load(None)?;
        let name = loaded.recipe.name.clone();
        let dir = self.out.clone().unwrap_or_else(|| Path::new("out").join(&name));
        if loaded.composition.is_none() {
            // The build has recorded the distribution of the base image.
            let none = || failing::source(&SourceError::NoManifest { dir: dir.clone() });
            let distro = Summary::read(&dir).ok_or_else(none)?.distro;
            loaded = load(Some(&System { distro, firmware: Layout::BiosUefi.firmware() }))?;
        }
        let targets = loaded.composition.map(|composition| composition.publish).unwrap_or_default();
        let targets = targets.into_iter().map(|target| target.below(&loaded.recipe.dir)).collect();
        Ok((Subject { name, outputs: loaded.recipe.outputs, dir }, targets))
    }
}
