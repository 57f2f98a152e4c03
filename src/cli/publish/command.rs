//! The options of `goldsmith publish`, and the function that runs it.

use std::path::PathBuf;
use std::time::Duration;

use clap::Args;

use super::failing;
use super::keys::Environment;
use super::report::PublishReport;
use super::target::TargetArgs;
use crate::cli::cloud::{self, CloudOptions};
use crate::cli::failure::{Failure, FailureKind};
use crate::cli::history;
use crate::cli::options::{ReadingOptions, output_dir};
use crate::cli::settings::Global;
use crate::cli::view::View;
use crate::cli::{hints, signals};
use crate::event::Event;
use crate::export::manifest::Summary;
use crate::pipeline::Source;
use crate::publish::{self, Context, SourceError, Subject, Verb};
use crate::recipe::publish::Target;
use crate::recipe::{Layout, System};
use crate::units::parse_duration;

/// `goldsmith publish`.
#[derive(Debug, Args)]
pub(in crate::cli) struct Publish {
    /// A recipe whose image is built, or the directory with the artifacts of a build
    #[arg(value_name = "RECIPE|DIR")]
    pub(in crate::cli) image: PathBuf,
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
    let mut subjects = args.subjects(global)?;
    for (subject, targets) in &mut subjects {
        if targets.is_empty() {
            let said = args.target.target(cloud::is_named(&args.cloud));
            let faults = said.faults(Some(&subject.outputs));
            if let Some(fault) = faults.into_iter().next() {
                return Err(Failure::of(FailureKind::Usage, fault.message).hint(fault.help));
            }
            args.target.check_promotion(&said, subject)?;
            targets.push(said);
        } else if !args.target.is_empty() {
            let failure = Failure::of(FailureKind::Usage, "the recipe says where and how its image is published");
            return Err(failure.hint("leave out the options about the target, or name the directory of the artifacts"));
        }
    }
    let interrupt = signals::interrupt()?;
    let view = View::new(global);
    let mut outcomes = Vec::new();
    for (subject, targets) in &subjects {
        let context = Context {
            subject,
            places: cloud::places(&args.cloud, global),
            allow_older: args.allow_older,
            keys: &Environment,
            reporter: view.reporter(),
            interrupt: interrupt.clone(),
        };
        let done = publish::run(verb, targets, &context);
        if verb == Verb::Publish
            && let Err(error) = history::published(&global.cache, &subject.dir, &done)
        {
            let message =
                format!("`goldsmith ls` will not know where the image was published: {error}: {}", error.source);
            context.reporter.report(&Event::Warning { message });
        }
        outcomes.extend(done.into_iter().map(|outcome| match subjects.len() {
            1 => outcome,
            _ => publish::Outcome { target: format!("{}: {}", subject.name, outcome.target), ..outcome },
        }));
    }
    PublishReport::new(view).print(outcomes)
}

impl Publish {
    /// Returns the images, each with the targets of its recipe.
    fn subjects(&self, global: &Global) -> Result<Vec<(Subject, Vec<Target>)>, Failure> {
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
            return Ok(vec![(Subject { name: summary.name, outputs, dir }, Vec::new())]);
        }
        let sources = self.reading.read(std::slice::from_ref(&self.image), global)?;
        let out = |name: &str| output_dir(self.out.as_deref(), name, sources.several, global);
        sources.images.iter().map(|source| subject(source, out(&source.loaded.recipe.name), global)).collect()
    }
}

/// Returns the image of a recipe, and the targets of the recipe. `dir` has its artifacts.
fn subject(source: &Source, dir: PathBuf, global: &Global) -> Result<(Subject, Vec<Target>), Failure> {
    let mut composition = source.loaded.composition.clone();
    if composition.is_none() {
        // The build has recorded the distribution of the base image.
        let none = || failing::source(&SourceError::NoManifest { dir: dir.clone() });
        let distro = Summary::read(&dir).ok_or_else(none)?.distro;
        let system = System { distro, firmware: Layout::BiosUefi.firmware() };
        composition = source.for_system(&system).map_err(|found| hints::recipe(&found, global))?.composition;
    }
    let recipe = &source.loaded.recipe;
    let targets = composition.map(|composition| composition.publish).unwrap_or_default();
    let targets = targets.into_iter().map(|target| target.below(&recipe.dir)).collect();
    Ok((Subject { name: recipe.name.clone(), outputs: recipe.outputs.clone(), dir }, targets))
}
