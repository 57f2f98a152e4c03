//! One image of `goldsmith build`: its pipeline, its log and its display.

use std::io::Write as _;
use std::path::PathBuf;
use std::sync::Arc;

use serde_json::json;

use super::args::Build;
use super::on_failure::Handler;
use super::tally::{Counted, Tally};
use super::verdict;
use crate::build::actions::ActionError;
use crate::build::{AfterFailure, OnFailure};
use crate::cli::build_host::BuildHost;
use crate::cli::failure::{Failure, FailureKind};
use crate::cli::history::{self, Ended};
use crate::cli::logfile::Deferred;
use crate::cli::output::{columns, line, print};
use crate::cli::publish::Environment;
use crate::cli::settings::{Global, read_secrets};
use crate::cli::telemetry::Telemetry;
use crate::cli::terminal::Verbosity;
use crate::cli::view::View;
use crate::cli::{hints, installing};
use crate::event::{Event, Reporter, Tee};
use crate::export::Exported;
use crate::fetch::PinPolicy;
use crate::guest::Guest;
use crate::interrupt::Interrupt;
use crate::layer::LayerKey;
use crate::openstack::config::Places;
use crate::pipeline::{Made, Options, Outcome, Pipeline, PipelineError, Publishing, Source, Verdict, Watch};
use crate::plan::StepId;
use crate::telemetry::{Ending, Timeline};
use crate::text::Redactor;
use crate::units::ByteSize;

/// One image that is built.
pub(super) struct Image<'h> {
    pub(super) name: String,
    /// Directory of the artifacts.
    pub(super) out: PathBuf,
    pub(super) view: View,
    pub(super) pipeline: Pipeline<'h>,
    log: Arc<Deferred>,
    tally: Arc<Tally>,
    telemetry: Arc<Telemetry>,
    /// What was done and when, if anybody wants to know.
    timeline: Option<Arc<Timeline>>,
    quiet: bool,
    recipe: PathBuf,
    redactor: Redactor,
    color: bool,
    /// Path for the socket of a guest that waits after a failure.
    socket: PathBuf,
    interrupt: Interrupt,
    /// Where the configurations of clouds are.
    clouds: Places,
}

/// Why an image was not made.
pub(super) struct NotMade {
    pub(super) failure: Failure,
    /// The layer that could not be made, if images that share it need not be tried.
    pub(super) layer: Option<LayerKey>,
}

impl<'h> Image<'h> {
    /// Prepares the build of an image, and reads its secrets.
    pub(super) fn new(
        args: &Build,
        source: Source,
        out: PathBuf,
        view: View,
        (host, interrupt, pins): (&'h BuildHost, &Interrupt, PinPolicy),
        global: &Global,
    ) -> Result<Self, Failure> {
        let recipe = &source.loaded.recipe;
        let name = recipe.name.clone();
        let log = Arc::new(Deferred::new());
        let tally = Arc::new(Tally::new());
        let path = source.path.clone();
        let quiet = global.terminal.verbosity == Verbosity::Quiet;
        let telemetry = Arc::clone(&host.telemetry);
        let timeline = telemetry.is_wanted().then(Arc::<Timeline>::default);
        let mut reporters: Vec<Arc<dyn Reporter>> =
            vec![Arc::clone(&log) as _, Arc::clone(&tally) as _, view.reporter()];
        reporters.extend(timeline.iter().map(|timeline| Arc::clone(timeline) as _));
        let mut workshop = host.workshop(Arc::new(Tee(reporters)), interrupt, &args.planning.cloud, global)?;
        workshop.timeout = args.timeout;
        workshop.ansible = args.allow_ansible;
        workshop.secrets = read_secrets(&recipe.secrets, &recipe.dir)?;
        let (redactor, clouds) = (Redactor::new(workshop.secrets.values()), workshop.clouds.clone());
        let pipeline = Pipeline::new(source, pins, workshop, &host.host);
        let color = global.terminal.color;
        let recipe = path;
        let (socket, interrupt) = (host.socket(), interrupt.clone());
        Ok(Self {
            name,
            out,
            view,
            pipeline,
            log,
            tally,
            telemetry,
            timeline,
            quiet,
            recipe,
            redactor,
            color,
            socket,
            interrupt,
            clouds,
        })
    }

    /// Builds the image, verifies it, and publishes it if wanted. `steps` are those of its plan if the command builds other images
    /// too.
    pub(super) fn build(
        &self,
        args: &Build,
        publish_view: &View,
        steps: Option<&[(StepId, LayerKey)]>,
    ) -> Result<Outcome, NotMade> {
        let not_made = |failure| NotMade { failure, layer: None };
        let opened = self.log.open(&self.out, self.redactor.clone());
        opened.map_err(|error| not_made(Failure::new(FailureKind::Host, &error)))?;
        let publish = args.publish.then(|| Publishing {
            places: self.clouds.clone(),
            allow_older: args.allow_older,
            keys: &Environment,
            reporter: publish_view.reporter(),
        });
        let suspend = |talk: &mut dyn FnMut()| self.view.suspend(talk);
        let kept = self.out.join(format!("{}.failed.qcow2", self.name));
        let on_failure = self.handler(args, kept, &suspend);
        let mut progress = Progress { on_failure, image: self, view: &self.view, alone: steps.is_none() };
        let options = Options { out: self.out.clone(), verify: !args.no_verify, publish };
        let outcome = self.pipeline.run(&options, &mut progress);
        if outcome.is_err() {
            self.view.finish();
        }
        let log = self.log.close(&self.out);
        self.record(&outcome);
        let ending = match &outcome {
            Ok(done) if done.made.verdict.as_ref().is_none_or(Verdict::passed) => Ending::Made,
            Ok(_) => Ending::Unfit,
            Err(error) => self.broken_off(error),
        };
        self.tell(&self.name, ending);
        outcome.map_err(|error| NotMade {
            failure: self.with_log(&error, log),
            layer: error.layer(steps.unwrap_or_default()),
        })
    }

    fn handler<'a>(&'a self, args: &Build, kept: PathBuf, suspend: &'a dyn Fn(&mut dyn FnMut())) -> Handler<'a> {
        let (socket, interrupt) = (self.socket.clone(), &self.interrupt);
        Handler { wish: args.on_failure, kept, socket, interrupt, suspend }
    }

    /// Makes the layers of the first `count` steps, and no image.
    pub(super) fn make_layers(&self, args: &Build, count: usize) -> Result<(), Failure> {
        let opened = self.log.open(&self.out, self.redactor.clone());
        opened.map_err(|error| Failure::new(FailureKind::Host, &error))?;
        let suspend = |talk: &mut dyn FnMut()| self.view.suspend(talk);
        let kept = self.out.join(format!("{}.failed.qcow2", self.name));
        let mut on_failure = self.handler(args, kept, &suspend);
        let made = self.pipeline.make_layers(count, &mut on_failure);
        self.view.finish();
        let log = self.log.close(&self.out);
        let ending = made.as_ref().map_or_else(|error| self.broken_off(error), |()| Ending::Made);
        self.tell(&format!("stage of {}", self.name), ending);
        made.map_err(|error| self.with_log(&error, log))
    }

    /// Returns how a build has ended that made nothing.
    fn broken_off(&self, error: &PipelineError) -> Ending {
        match self.failure(error).kind {
            FailureKind::Interrupted => Ending::Interrupted,
            _ => Ending::Failed,
        }
    }

    /// Hands over the numbers and spans of the work, which has ended.
    fn tell(&self, name: &str, ending: Ending) {
        if let Some(timeline) = &self.timeline {
            self.telemetry.ended(timeline, name, ending, &self.redactor);
        }
    }

    /// Returns how many steps were cached, and how many have run.
    pub(super) fn steps(&self) -> (usize, usize) {
        let Counted { cached, run, .. } = self.tally.counted();
        (cached, run)
    }

    /// Returns an error for the user, with the place of the log if it tells more.
    fn with_log(&self, error: &PipelineError, log: Option<PathBuf>) -> Failure {
        let mut failure = self.failure(error);
        match installing::keep_picture(error, &self.out, &self.name) {
            Ok(Some(picture)) => failure = failure.hint(format!("its screen at that time is {}", picture.display())),
            Ok(None) => {}
            Err(lost) => failure = failure.hint(format!("the picture of its screen is lost: {lost}: {}", lost.source)),
        }
        match (failure, log) {
            (failure, Some(log)) if failure.kind == FailureKind::Build => {
                failure.hint(format!("the whole log is {}", log.display()))
            }
            (failure, _) => failure,
        }
    }

    /// Returns the commands that a person may want now.
    pub(super) fn next(&self, made: &Made) -> Vec<String> {
        let exported = &made.exported;
        if made.verdict.as_ref().is_some_and(|verdict| !verdict.passed()) {
            return vec![line(["goldsmith", "verify", "--all", &exported.dir.display().to_string()])];
        }
        let mut next = Vec::new();
        if exported.artifacts.iter().any(|artifact| artifact.output.format.is_disk()) {
            next.push(line(["goldsmith", "run", &exported.dir.display().to_string()]));
        }
        if !made.targets.is_empty() {
            next.push(line(["goldsmith", "publish", &self.recipe.display().to_string()]));
        }
        next
    }

    /// Records the build for `goldsmith ls`. A record that cannot be written spoils no image.
    fn record(&self, outcome: &Result<Outcome, PipelineError>) {
        let (result, published) = match outcome {
            Ok(done) if done.made.verdict.as_ref().is_none_or(Verdict::passed) => (Ended::Built, &done.published[..]),
            Ok(done) => (Ended::Unfit, &done.published[..]),
            Err(_) => (Ended::Failed, &[][..]),
        };
        let cache = &self.pipeline.workshop().cache;
        if let Err(error) = history::built(cache, (&self.name, &self.recipe), &self.out, result, published) {
            let message = format!("`goldsmith ls` will not know this build: {error}: {}", error.source);
            self.view.reporter().report(&Event::Warning { message });
        }
    }

    /// Returns an error for the user, without secrets.
    pub(super) fn failure(&self, error: &PipelineError) -> Failure {
        hints::pipeline(error, self.color).redacted(&self.redactor)
    }
}

/// The output of a build for the user.
struct Progress<'a> {
    on_failure: Handler<'a>,
    image: &'a Image<'a>,
    view: &'a View,
    alone: bool,
}

impl OnFailure for Progress<'_> {
    fn failed(&mut self, step: &StepId, error: &ActionError, guest: &mut dyn Guest) -> AfterFailure {
        self.on_failure.failed(step, error, guest)
    }
}

impl Watch for Progress<'_> {
    fn verifying(&mut self, exported: &Exported) {
        if let Some(artifact) = exported.artifacts.iter().find(|artifact| artifact.output.format.is_disk()) {
            let path = exported.dir.join(&artifact.file);
            self.view.note(&format!("image ready: {}; verifying it now", path.display()));
        }
    }

    fn made(&mut self, made: &Made) {
        let exported = &made.exported;
        if self.alone || !self.view.is_screen() {
            self.view.finish();
            let Counted { cached, remote, run, elapsed } = self.image.tally.counted();
            let next = self.image.next(made);
            self.view.line(&json!({
                "event": "exported", "dir": exported.dir, "artifacts": exported.artifacts, "unchanged": exported.unchanged,
                "steps": { "cached": cached, "remote": remote, "run": run }, "elapsed": (elapsed.as_secs_f64() * 1000.0).round() / 1000.0, "next": next,
            }));
            if self.view.is_screen() {
                print(&summary(exported));
            }
            if let Some(verdict) = &made.verdict {
                verdict::print_verdict(verdict, exported, self.view);
            }
            if self.view.is_screen() && !self.image.quiet {
                let next: String = next.iter().map(|command| format!("next: {command}\n")).collect();
                // Standard error may be closed: then nobody wants the text.
                let _ = std::io::stderr().write_all(format!("{}\n{next}", self.image.tally.words()).as_bytes());
            }
        } else {
            let checked = made.verdict.as_ref().map(|verdict| format!(", {}", verdict::text(verdict)));
            self.view.note(&format!("done: {}{}", exported.dir.display(), checked.unwrap_or_default()));
        }
    }
}

/// Lists the artifacts for people.
fn summary(exported: &Exported) -> String {
    let rows: Vec<_> = exported
        .artifacts
        .iter()
        .map(|artifact| {
            let path = exported.dir.join(&artifact.file);
            let size = ByteSize::bytes(artifact.size).to_string();
            vec![path.display().to_string(), size, format!("sha256 {}", artifact.digests.sha256)]
        })
        .collect();
    let unchanged = if exported.unchanged { "nothing changed; the artifacts are up to date\n" } else { "" };
    format!("{unchanged}{}", columns(&rows))
}
