//! Runs the stages of a pipeline, in order.

use std::path::PathBuf;
use std::sync::Arc;
use std::time::{Instant, SystemTime};

use super::error::PipelineError;
use super::host::Host;
use super::source::Source;
use super::verifying::{Verdict, Verifying};
use crate::base::InstallRequest;
use crate::build::actions::ActionError;
use crate::build::{self, AfterFailure, BuildError, BuiltDisk, OnFailure, OpenedImage, Session, Workshop};
use crate::event::{Event, Redacting, Reporter, Stage, Tee};
use crate::export::manifest::RecipeInfo;
use crate::export::origin::{Layers, Origin};
use crate::export::{self, Exported, Past};
use crate::fetch::PinPolicy;
use crate::guest::Guest;
use crate::openstack::config::Places;
use crate::pin;
use crate::plan::{self, BasePlan, Plan, StepId};
use crate::publish::{self, Context, Keys, Subject, Verb};
use crate::recipe::publish::Target;
use crate::recipe::{Base, Loaded};
use crate::remote::{Standing, Wanted};
use crate::verify;
use crate::verify::report::{self, Recorder};

/// The options of a run.
pub struct Options<'a> {
    /// Directory of the artifacts.
    pub out: PathBuf,
    /// Whether to verify the image, if its recipe has verification settings.
    pub verify: bool,
    /// Options of publishing; `None` to publish nothing.
    pub publish: Option<Publishing<'a>>,
}

impl std::fmt::Debug for Options<'_> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Options").field("out", &self.out).field("verify", &self.verify).finish_non_exhaustive()
    }
}

/// The options of publishing.
pub struct Publishing<'a> {
    /// Places of cloud configurations.
    pub places: Places,
    /// Whether the image may replace one that was built later, for instance after a revert of the recipe.
    pub allow_older: bool,
    /// Secrets and credentials that targets need.
    pub keys: &'a dyn Keys,
    /// Receiver of the events of publishing.
    pub reporter: Arc<dyn Reporter>,
}

impl std::fmt::Debug for Publishing<'_> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Publishing").finish_non_exhaustive()
    }
}

/// Hooks of a run: the reaction to failed steps, and looks at the image before it is verified and before it is published.
pub trait Watch: OnFailure {
    /// Receives the image when the artifacts are written and their verification begins, which takes minutes. Is not called if the
    /// same image has passed before.
    fn verifying(&mut self, _exported: &Exported) {}

    /// Receives the image when the artifacts are written and verified, before anything is published.
    fn made(&mut self, _made: &Made) {}
}

/// A watch that ends the build at the first step that fails.
#[derive(Debug, Clone, Copy)]
pub struct StopAtFailure;

impl OnFailure for StopAtFailure {
    fn failed(&mut self, _: &StepId, _: &ActionError, _: &mut dyn Guest) -> AfterFailure {
        AfterFailure::Clean
    }
}

impl Watch for StopAtFailure {}

/// A plan with its base image.
#[derive(Debug)]
pub struct Prepared {
    /// The plan.
    pub plan: Plan,
    /// The opened base image, if the base is an image.
    pub image: Option<OpenedImage>,
}

/// The result of building an image.
#[derive(Debug)]
pub struct Made {
    /// The artifacts.
    pub exported: Exported,
    /// Result of verification; `None` if the image was not verified.
    pub verdict: Option<Verdict>,
    /// Targets of the recipe.
    pub targets: Vec<Target>,
}

/// The result of a run.
#[derive(Debug)]
pub struct Outcome {
    /// The image.
    pub made: Made,
    /// Result at each target. Empty if nothing was to be published, or if verification failed.
    pub published: Vec<publish::Outcome>,
}

/// A stage that runs.
struct Begun<'a> {
    stage: Stage,
    started: Instant,
    reporter: &'a dyn Reporter,
}

impl Begun<'_> {
    fn end(self) {
        self.reporter.report(&Event::StageFinished { stage: self.stage, elapsed: self.started.elapsed() });
    }
}

/// A recipe with everything that is needed to make its image.
pub struct Pipeline<'h> {
    source: Source,
    pins: PinPolicy,
    workshop: Workshop,
    host: &'h dyn Host,
    recorder: Arc<Recorder>,
    begun: SystemTime,
}

impl std::fmt::Debug for Pipeline<'_> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Pipeline").field("source", &self.source.path).finish_non_exhaustive()
    }
}

impl<'h> Pipeline<'h> {
    /// Makes a pipeline. Its events hide the values of the workshop's secrets.
    pub fn new(source: Source, pins: PinPolicy, mut workshop: Workshop, host: &'h dyn Host) -> Self {
        let recorder = Arc::new(Recorder::default());
        let all: Arc<dyn Reporter> = Arc::new(Tee(vec![workshop.reporter, Arc::clone(&recorder) as _]));
        workshop.reporter = Arc::new(Redacting::new(all, workshop.secrets.values()));
        Self { source, pins, workshop, host, recorder, begun: SystemTime::now() }
    }

    /// Returns the directories and the settings of the work.
    pub fn workshop(&self) -> &Workshop {
        &self.workshop
    }

    /// Returns a session whose guests run on the host.
    pub fn session(&self) -> Session<'_> {
        let network = self.source.uses_network();
        let arch = Some(self.source.loaded.recipe.arch);
        let launch = move |interrupt: &_| self.host.launch(arch, network, &self.workshop.reporter, interrupt);
        let Workshop { reporter, interrupt, .. } = &self.workshop;
        let install = move |request: &InstallRequest<'_>| self.host.install(request, reporter, interrupt);
        Session::new(&self.workshop, Box::new(launch)).with_installer(Box::new(install))
    }

    /// Pins the base, and makes the plan.
    ///
    /// # Errors
    ///
    /// If the base cannot be pinned, or the recipe does not fit it.
    pub fn prepare(&self, session: &mut Session<'_>) -> Result<Prepared, PipelineError> {
        self.prepare_by(session, &self.pins)
    }

    fn newer_than(&self, time: SystemTime) -> PinPolicy {
        PinPolicy { newer_than: Some(time), ..self.pins }
    }

    fn prepare_by(&self, session: &mut Session<'_>, policy: &PinPolicy) -> Result<Prepared, PipelineError> {
        let Loaded { recipe, composition, notes, .. } = &self.source.loaded;
        let pinned = pin::pin(recipe, policy, session)?;
        let composition = match (composition, &recipe.base, &pinned.image) {
            (Some(composition), ..) => composition.clone(),
            (None, Base::Image(_) | Base::Glance(_), Some(image)) => {
                let BasePlan::Image { source, .. } = &pinned.base else {
                    unreachable!("an image becomes a plan of an image")
                };
                let system = pin::system(source, &image.inspection, &self.source.distros())?;
                let loaded = self.source.for_system(&system).map_err(PipelineError::Recipe)?;
                loaded.composition.expect("the distribution is known")
            }
            (None, Base::Tree(_) | Base::Container(_), None) => {
                let BasePlan::Tree { source, .. } = &pinned.base else {
                    unreachable!("a tree becomes a plan of a tree")
                };
                let facts = pinned.tree.as_ref().expect("a tree was looked into");
                let firmware = recipe.disk.layout.firmware();
                let system = pin::tree_system(source, facts, &firmware, &self.source.distros())?;
                let loaded = self.source.for_system(&system).map_err(PipelineError::Recipe)?;
                loaded.composition.expect("the distribution is known")
            }
            _ => unreachable!("a bootstrap's distribution follows from the recipe"),
        };
        let plan = plan::resolve(recipe, composition, pinned.base, notes.clone());
        Ok(Prepared { plan, image: pinned.image })
    }

    /// Pins the base, and makes the plan of the build that begins now: the repositories of a base that the store lacks are read
    /// again, unless this pipeline has read them.
    ///
    /// # Errors
    ///
    /// As [`Pipeline::prepare`].
    pub fn prepare_build(&self, session: &mut Session<'_>) -> Result<Prepared, PipelineError> {
        let prepared = self.prepare(session)?;
        let base = prepared.plan.steps[0].key;
        let bootstrapped = matches!(prepared.plan.base, BasePlan::Bootstrap { .. });
        // A new base is made from the repositories as they are now, so its key must contain their present state.
        if bootstrapped && !self.pins.offline && self.workshop.store.find(&base)?.is_none() {
            return self.prepare_by(session, &self.newer_than(self.begun));
        }
        Ok(prepared)
    }

    /// Runs all stages: pins, plans, builds, exports, verifies, and publishes if verification passed.
    ///
    /// # Errors
    ///
    /// If the image could not be made. Failures of publishing are in the outcome.
    pub fn run(&self, options: &Options<'_>, watch: &mut dyn Watch) -> Result<Outcome, PipelineError> {
        let made = self.make(options, watch);
        // Layers that were made before a failure are of use to others too.
        if let Some(remote) = &self.workshop.remote {
            remote.finish(&*self.workshop.reporter, &self.workshop.interrupt);
        }
        let made = made?;
        watch.made(&made);
        let passed = made.verdict.as_ref().is_none_or(Verdict::passed);
        let published = match &options.publish {
            Some(publishing) if passed => {
                let begun = self.begin(Stage::Publish);
                let published = self.publish(&made, publishing);
                if published.iter().all(|outcome| outcome.result.is_ok()) {
                    begun.end();
                }
                published
            }
            _ => Vec::new(),
        };
        Ok(Outcome { made, published })
    }

    /// Reports a stage. If it fails, its end is that of the build.
    fn stage<T, E>(&self, stage: Stage, work: impl FnOnce() -> Result<T, E>) -> Result<T, E> {
        let begun = self.begin(stage);
        let done = work()?;
        begun.end();
        Ok(done)
    }

    fn begin(&self, stage: Stage) -> Begun<'_> {
        self.workshop.reporter.report(&Event::StageStarted { stage });
        Begun { stage, started: Instant::now(), reporter: &*self.workshop.reporter }
    }

    fn make(&self, options: &Options<'_>, watch: &mut dyn Watch) -> Result<Made, PipelineError> {
        let mut session = self.session();
        let mut prepared = self.stage(Stage::Prepare, || self.prepare_build(&mut session))?;
        if options.publish.is_some() && prepared.plan.publish.is_empty() {
            return Err(PipelineError::NoTarget);
        }
        export::check(&prepared.plan, &options.out, &[report::HTML, report::JSON, report::JUNIT])?;
        let begun = self.begin(Stage::Build);
        let built = self.build(&mut prepared, session, None, &mut *watch);
        let plan = &prepared.plan;
        let verify = plan.verify.as_ref().filter(|_| options.verify);
        let examiner = verify.map(|_| verify::examiner(plan));
        let disk = build::finalize(plan, built?, examiner.as_ref())?;
        begun.end();
        let file = self.source.path.file_name().map(|name| name.to_string_lossy().into_owned()).unwrap_or_default();
        let recipe = &self.source.loaded.recipe;
        let info = RecipeInfo { file, sha256: recipe.digest, included: recipe.included.clone() };
        let Workshop { reporter, interrupt, .. } = &self.workshop;
        let origin = Origin::of(&self.workshop.cache);
        // The files from before may be from anybody, and an export that changes nothing does not read all of them.
        let known = origin.knows(&options.out);
        let exported = self.stage(Stage::Export, || {
            let past = Past { origin: &origin, store: &self.workshop.store };
            export::export(plan, &disk, &options.out, &info, Some(past), reporter, interrupt)
        })?;
        let chain = self.workshop.store.chain(&disk.layer.key)?.unwrap_or_default();
        let layers = Layers::of(&chain);
        let ours = known || !exported.unchanged;
        if ours {
            origin.record(&exported.dir, &layers)?;
        }
        let verdict = match verify.zip(examiner) {
            Some((settings, examiner)) => {
                let seen = build::examination(&disk.layer, &examiner.key);
                let begins = &mut || watch.verifying(&exported);
                let verifying = Verifying { plan, settings, exported: &exported, begins };
                let verify = || verifying.run(&self.workshop, self.host, &self.recorder, seen);
                Some(self.stage(Stage::Verify, verify)?)
            }
            None => None,
        };
        if ours {
            // Verification has changed the manifest.
            origin.record(&exported.dir, &layers)?;
        }
        let targets = prepared.plan.publish.into_iter().map(|target| target.below(&self.source.loaded.recipe.dir));
        Ok(Made { exported, verdict, targets: targets.collect() })
    }

    /// Runs the steps of a plan, all but the last or the first `count` of them. If the repositories have moved since it was made, makes
    /// it anew, once.
    fn build<'s>(
        &'s self,
        prepared: &mut Prepared,
        session: Session<'s>,
        count: Option<usize>,
        on_failure: &mut dyn OnFailure,
    ) -> Result<BuiltDisk<'s>, PipelineError> {
        let cut = |prepared: &mut Prepared| prepared.plan.steps.truncate(count.unwrap_or(usize::MAX));
        cut(prepared);
        match build::build(&prepared.plan, prepared.image.as_ref(), session, on_failure) {
            Err(BuildError::Bootstrap(error)) if error.is_of_old_plan() => {
                let mut session = self.session();
                *prepared = self.prepare_by(&mut session, &self.newer_than(SystemTime::now()))?;
                cut(prepared);
                Ok(build::build(&prepared.plan, prepared.image.as_ref(), session, on_failure)?)
            }
            built => Ok(built?),
        }
    }

    /// Makes the layers of the first `count` steps, shares them with other machines, and makes no artifact. Nothing is made or fetched if
    /// the remote cache has them.
    ///
    /// # Errors
    ///
    /// As [`Pipeline::run`].
    pub fn make_layers(&self, count: usize, on_failure: &mut dyn OnFailure) -> Result<(), PipelineError> {
        let made = self.make_first(count, on_failure);
        if let Some(remote) = &self.workshop.remote {
            remote.finish(&*self.workshop.reporter, &self.workshop.interrupt);
        }
        made
    }

    fn make_first(&self, count: usize, on_failure: &mut dyn OnFailure) -> Result<(), PipelineError> {
        let Workshop { store, remote, reporter, interrupt, .. } = &self.workshop;
        let mut session = self.session();
        let mut prepared = self.stage(Stage::Prepare, || self.prepare_build(&mut session))?;
        let steps = prepared.plan.steps.iter().take(count);
        let wanted: Vec<_> = steps.map(|step| Wanted { key: step.key, ingredients: &step.ingredients }).collect();
        let found = remote.as_ref().and_then(|remote| remote.look(&wanted, store, interrupt).ok()).unwrap_or_default();
        if found.len() == wanted.len() && matches!(found.last(), Some(Standing::Remote(_) | Standing::Slower(_))) {
            let message = "the remote cache has all of these steps already".to_owned();
            reporter.report(&Event::Detail { message });
            return Ok(());
        }
        let all = prepared.plan.steps.len();
        let begun = self.begin(Stage::Build);
        let built = self.build(&mut prepared, session, Some(count), on_failure)?;
        if count < all {
            built.close()?;
            begun.end();
            return Ok(());
        }
        // The disk is examined as the images that rest on this step would do it.
        let examiner = prepared.plan.verify.as_ref().map(|_| verify::examiner(&prepared.plan));
        build::finalize(&prepared.plan, built, examiner.as_ref())?;
        begun.end();
        Ok(())
    }

    fn publish(&self, made: &Made, publishing: &Publishing<'_>) -> Vec<publish::Outcome> {
        let recipe = &self.source.loaded.recipe;
        let subject =
            Subject { name: recipe.name.clone(), outputs: recipe.outputs.clone(), dir: made.exported.dir.clone() };
        let context = Context {
            subject: &subject,
            places: publishing.places.clone(),
            allow_older: publishing.allow_older,
            keys: publishing.keys,
            reporter: Arc::clone(&publishing.reporter),
            interrupt: self.workshop.interrupt.clone(),
        };
        publish::run(Verb::Publish, &made.targets, &context)
    }
}
