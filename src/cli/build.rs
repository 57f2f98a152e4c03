//! `goldsmith build`.

mod verifying;

use std::path::{Path, PathBuf};
use std::sync::Arc;

use serde_json::json;

use super::args::{Build, Machine, Pinning, Source};
use super::failure::{Failure, FailureKind};
use super::guest::Launcher;
use super::jsonl::JsonReporter;
use super::logfile::Deferred;
use super::on_failure::Handler;
use super::progress::{Tee, TerminalReporter};
use super::settings::{Global, read_secrets};
use super::{columns, hints, print, publish, signals};
use verifying::Verdict;

use crate::base::workdir::WorkDir;
use crate::base::{BootstrapError, bootstrap};
use crate::build::{self, BuildError, OpenedImage, Session, Workshop};
use crate::event::{Redacting, Reporter, Silent};
use crate::export::manifest::RecipeInfo;
use crate::export::{self, Exported};
use crate::fetch::PinPolicy;
use crate::guest::{Guest, GuestError};
use crate::interrupt::Interrupt;
use crate::layer::Store;
use crate::pin;
use crate::plan::{self, BasePlan, Plan};
use crate::publish::{Subject, Verb};
use crate::recipe::publish::Target;
use crate::recipe::{self, Base, LoadOptions, Loaded};
use crate::units::ByteSize;
use crate::verify;
use crate::verify::report::Recorder;

/// A recipe that has been read, and all that is needed to go on with it.
pub(super) struct Preparation {
    path: PathBuf,
    options: LoadOptions,
    loaded: Loaded,
    policy: PinPolicy,
    cache: PathBuf,
    launcher: Launcher,
    color: bool,
    /// What sessions work with.
    pub(super) workshop: Workshop,
    /// Sockets and scratch files of this process; removed with it.
    private: WorkDir,
    /// What was done when.
    recorder: Arc<Recorder>,
}

/// A plan, and what is known of its base.
pub(super) struct Prepared {
    pub(super) plan: Plan,
    pub(super) image: Option<OpenedImage>,
}

impl Preparation {
    /// Reads the recipe and opens the store. Without a reporter, nothing is told of the work.
    pub(super) fn new(
        source: &Source,
        pinning: &Pinning,
        machine: &Machine,
        global: &Global,
        reporter: Option<Arc<dyn Reporter>>,
    ) -> Result<Self, Failure> {
        let options = source.load_options()?;
        let loaded = recipe::load(&source.recipe, &options, None).map_err(|found| hints::recipe(&found, global))?;
        let reporter = reporter.unwrap_or_else(|| Arc::new(Silent));
        let recorder = Arc::new(Recorder::default());
        let reporter: Arc<dyn Reporter> = Arc::new(Tee(vec![reporter, Arc::clone(&recorder) as _]));
        let interrupt = Interrupt::new();
        signals::watch(interrupt.clone()).map_err(|error| Failure::new(FailureKind::Host, &error))?;
        let private = WorkDir::create(&std::env::temp_dir(), "goldsmith-").map_err(|error| {
            Failure::new(FailureKind::Host, &error).hint("TMPDIR names a directory for temporary files")
        })?;
        let store = Store::open(&global.cache).map_err(|error| hints::store(&error))?;
        let cache = global.cache.clone();
        let bootstrap_reporter = Arc::clone(&reporter);
        let workshop = Workshop {
            store,
            bootstrap: Box::new(move |request, interrupt| {
                bootstrap::build(request, &*bootstrap_reporter, interrupt).map(drop)
            }),
            cache: cache.clone(),
            scratch: private.path().to_owned(),
            secrets: std::collections::BTreeMap::new(),
            timeout: std::time::Duration::from_secs(30 * 60),
            reporter,
            interrupt,
        };
        Ok(Self {
            path: source.recipe.clone(),
            options,
            loaded,
            policy: pinning.policy(),
            cache,
            launcher: Launcher::new(machine),
            color: global.terminal.color,
            workshop,
            private,
            recorder,
        })
    }

    /// A session whose guest is libguestfs' appliance.
    pub(super) fn session(&self) -> Session<'_> {
        // An image has to be inspected before it is known what its steps need.
        let network = self.loaded.composition.as_ref().is_none_or(|composition| {
            composition.steps.iter().any(|step| step.actions.iter().any(crate::action::Action::uses_network))
        });
        Session::new(&self.workshop, Box::new(move |interrupt| self.launch(network, interrupt)))
    }

    fn launch(&self, network: bool, interrupt: &Interrupt) -> Result<Box<dyn Guest>, GuestError> {
        self.launcher.launch(network, &self.cache, self.private.path(), &self.workshop.reporter, interrupt)
    }

    /// Pins what floats and makes the plan.
    pub(super) fn prepare(&self, session: &mut Session<'_>) -> Result<Prepared, Failure> {
        self.prepare_by(session, &self.policy)
    }

    fn prepare_by(&self, session: &mut Session<'_>, policy: &PinPolicy) -> Result<Prepared, Failure> {
        let Loaded { recipe, composition, notes } = &self.loaded;
        let (reporter, interrupt) = (&*self.workshop.reporter, &self.workshop.interrupt);
        let pinned =
            pin::pin(recipe, policy, &self.cache, session, reporter, interrupt).map_err(|error| hints::pin(&error))?;
        let composition = match (composition, &recipe.base, &pinned.image) {
            (Some(composition), ..) => composition.clone(),
            (None, Base::Image(source), Some(image)) => {
                let system = pin::system(source, &image.inspection).map_err(|error| hints::pin(&error))?;
                let loaded = recipe::load(&self.path, &self.options, Some(&system))
                    .map_err(|found| hints::recipe_found(&found, self.color))?;
                loaded.composition.expect("the distribution is known")
            }
            _ => unreachable!("a bootstrap's distribution follows from the recipe"),
        };
        let plan = plan::resolve(recipe, composition, pinned.base, notes.clone());
        Ok(Prepared { plan, image: pinned.image })
    }
}

/// Builds the image a recipe describes.
pub(super) fn build(args: &Build, global: &Global) -> Result<(), Failure> {
    let screen = (!global.json).then(|| Arc::new(TerminalReporter::on_stderr(global.terminal)));
    let json = global.json.then(|| Arc::new(JsonReporter::new(std::io::stdout())));
    let log = Arc::new(Deferred::new());
    let mut reporters: Vec<Arc<dyn Reporter>> = vec![Arc::clone(&log) as _];
    reporters.extend(screen.clone().map(|screen| screen as Arc<dyn Reporter>));
    reporters.extend(json.clone().map(|json| json as Arc<dyn Reporter>));
    let tee: Arc<dyn Reporter> = Arc::new(Tee(reporters));
    let mut preparation = Preparation::new(&args.source, &args.pinning, &args.machine, global, Some(tee))?;
    preparation.workshop.timeout = args.timeout;
    let recipe = &preparation.loaded.recipe;
    let out = args.out.clone().unwrap_or_else(|| Path::new("out").join(&recipe.name));
    if args.dry_run {
        let prepared = preparation.prepare(&mut preparation.session())?;
        return super::plan::show(&prepared.plan, &preparation.workshop.store, global);
    }
    let secrets = read_secrets(&recipe.secrets, &recipe.dir)?;
    preparation.workshop.reporter = Arc::new(Redacting::new(preparation.workshop.reporter, secrets.values()));
    preparation.workshop.secrets = secrets;
    let suspend = |talk: &mut dyn FnMut()| match &screen {
        Some(screen) => screen.suspend(talk),
        None => talk(),
    };
    let kept = out.join(format!("{}.failed.qcow2", recipe.name));
    let mut on_failure = Handler { wish: args.on_failure, kept, suspend: &suspend };
    log.open(&out).map_err(|error| Failure::new(FailureKind::Host, &error))?;
    let result = preparation.run(args, &out, &mut on_failure);
    if let Some(screen) = &screen {
        screen.finish();
    }
    let log = log.close(&out);
    match result {
        Ok((exported, verdict, targets)) => {
            match &json {
                Some(json) => json.line(&json!({ "event": "exported", "dir": exported.dir, "artifacts": exported.artifacts, "unchanged": exported.unchanged })),
                None => print(&summary(&exported)),
            }
            verdict.map_or(Ok(()), |verdict| verdict.told(&exported, json.as_deref()))?;
            if !args.publish {
                return Ok(());
            }
            let loaded = &preparation.loaded.recipe;
            let subject = Subject { name: loaded.name.clone(), outputs: loaded.outputs.clone(), dir: exported.dir };
            let targets: Vec<_> = targets.into_iter().map(|target| target.below(&loaded.dir)).collect();
            let interrupt = preparation.workshop.interrupt.clone();
            publish::at_targets(Verb::Publish, &subject, &targets, &args.cloud, json, interrupt, global)
        }
        Err(failure) => Err(match log {
            Some(log) if failure.kind == FailureKind::Build => {
                failure.hint(format!("the whole log is {}", log.display()))
            }
            _ => failure,
        }),
    }
}

impl Preparation {
    /// All stages, from the pins to the artifacts.
    fn run(
        &self,
        args: &Build,
        out: &Path,
        on_failure: &mut Handler<'_>,
    ) -> Result<(Exported, Option<Verdict>, Vec<Target>), Failure> {
        let mut session = self.session();
        let mut prepared = self.prepare(&mut session)?;
        if args.publish && prepared.plan.publish.is_empty() {
            let failure = Failure::of(FailureKind::Recipe, "the recipe does not say where its image is published");
            return Err(failure.hint("add `publish:` with a target, such as `- glance: {}`"));
        }
        let store = &self.workshop.store;
        let base = prepared.plan.steps[0].key;
        let bootstrapped = matches!(prepared.plan.base, BasePlan::Bootstrap { .. });
        // A base is made from the repositories as they are now, so that is what its key must say.
        if bootstrapped && !self.policy.offline && store.find(&base).map_err(|error| hints::store(&error))?.is_none() {
            prepared = self.prepare_by(&mut session, &PinPolicy { refresh: true, ..self.policy })?;
        }
        let built = build::build(&prepared.plan, prepared.image.as_ref(), session, on_failure);
        let built = match built {
            Err(BuildError::Bootstrap(moved)) if matches!(*moved, BootstrapError::RepositoryMoved) => {
                let mut session = self.session();
                prepared = self.prepare_by(&mut session, &PinPolicy { refresh: true, ..self.policy })?;
                build::build(&prepared.plan, prepared.image.as_ref(), session, on_failure)
            }
            built => built,
        };
        let plan = &prepared.plan;
        let verify = plan.verify.as_ref().filter(|_| !args.no_verify);
        let examiner = verify.map(|_| verify::examiner(plan));
        let disk = built.and_then(|built| build::finalize(plan, built, examiner.as_ref()));
        let disk = disk.map_err(|error| hints::build(&error))?;
        let info = RecipeInfo {
            file: self.path.file_name().map(|name| name.to_string_lossy().into_owned()).unwrap_or_default(),
            sha256: self.loaded.recipe.digest,
        };
        let exported = export::export(plan, &disk, out, &info, &self.workshop.reporter, &self.workshop.interrupt)
            .map_err(|error| hints::export(&error))?;
        let verdict = match verify.zip(examiner) {
            Some((settings, examiner)) => {
                let seen = build::examination(&disk.layer, &examiner.key);
                Some(self.verify(plan, settings, seen, &exported)?)
            }
            None => None,
        };
        Ok((exported, verdict, prepared.plan.publish))
    }
}

/// Where the artifacts are, for people.
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
