//! From a plan to a disk.
//!
//! ```text
//! for each step:  claim its layer ── hit ──> next
//!                       └─ miss: the slot is ours ──> overlay on the parent ──> run ──> freeze ──> commit
//! ```
//!
//! Keys contain their parent's key, so that hits come first and misses follow. The guest is launched at the
//! first miss, while a bootstrap is still running, and never if there is none.

pub mod actions;
mod extract;
mod session;

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::{Duration, Instant};

use crate::base::{BootstrapError, BootstrapRequest, bootstrap};
use crate::disk::layout::{DiskLayout, LayoutError};
use crate::event::{Event, Reporter};
use crate::fetch::Network;
use crate::fsx::available_bytes;
use crate::guest::{Guest, GuestError, Inspection, Mount, MountSource};
use crate::interrupt::Interrupt;
use crate::layer::{Extra, LayerKey, Lookup, NewLayer, Slot, Store, StoreError};
use crate::plan::{BasePlan, Phase, Plan, Step, StepId};
use crate::units::ByteSize;
use actions::{ActionError, Executor, PackageCache};
use extract::Needs;
pub use extract::{BOOT, BootFacts, Examine, Examiner, Range, boot_facts, examination};
pub use session::{Launch, Session};

/// Bytes below which a file system of the host counts as full: a qcow2 file grows by clusters of 64 KiB, and
/// what an ordinary user may not use is not counted as available.
const HOST_FULL: u64 = 4 * ByteSize::MIB;

/// Key of the list of packages among the facts of the final layer.
const PACKAGES: &str = "packages";

/// What is done when outputs and examiners get what they need.
const LOOK: &str = "look at the final disk";

/// Makes the disk that a bootstrap request describes, or ends early when the flag is raised.
pub type MakeBase =
    dyn Fn(&BootstrapRequest<'_>, &dyn Reporter, &Interrupt) -> Result<(), BootstrapError> + Send + Sync;

/// What a build works with and reports to.
pub struct Workshop {
    /// Where layers are.
    pub store: Store,
    /// Makes the disk of a bootstrap.
    pub bootstrap: Box<MakeBase>,
    /// Directory of the store, of packages and of pins.
    pub cache: PathBuf,
    /// A private directory of the host for what is on its way into an image.
    pub scratch: PathBuf,
    /// Values of the recipe's secrets.
    pub secrets: BTreeMap<String, Vec<u8>>,
    /// Deadline of a step that has none of its own.
    pub timeout: Duration,
    /// Receives events.
    pub reporter: Arc<dyn Reporter>,
    /// Ends the build when it is raised.
    pub interrupt: Interrupt,
    /// Proxies and logins for what is fetched.
    pub network: Network,
}

/// How long a step may take if neither its action nor the user says otherwise.
const TIMEOUT: Duration = Duration::from_secs(30 * 60);

impl Workshop {
    /// A workshop without secrets whose bases mmdebstrap makes. `cache` is the directory of the store, `scratch` a private
    /// directory with a short name.
    ///
    /// # Errors
    ///
    /// If the store cannot be opened.
    pub fn new(
        cache: &Path,
        scratch: &Path,
        reporter: Arc<dyn Reporter>,
        interrupt: Interrupt,
    ) -> Result<Self, StoreError> {
        Ok(Self {
            store: Store::open(cache)?,
            bootstrap: Box::new(|request, reporter, interrupt| {
                bootstrap::build(request, reporter, interrupt).map(drop)
            }),
            cache: cache.to_owned(),
            scratch: scratch.to_owned(),
            secrets: BTreeMap::new(),
            timeout: TIMEOUT,
            reporter,
            interrupt,
            network: Network::default(),
        })
    }
}

impl std::fmt::Debug for Workshop {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Workshop").finish_non_exhaustive()
    }
}

/// What to do with the guest when a step has failed.
pub trait OnFailure {
    /// Called in the failed step, with the guest still running and the image mounted. Not called for
    /// interrupts, nor when the guest is dead.
    fn failed(&mut self, step: &StepId, error: &ActionError, guest: &mut dyn Guest) -> AfterFailure;
}

/// How a build goes on after a step has failed.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum AfterFailure {
    /// The build ends and the step leaves nothing.
    Clean,
    /// The build ends; the disk as it was at the failure is kept under this name.
    Keep(PathBuf),
    /// The step is run again, from the layer before it.
    Retry,
}

/// A build that failed. Every layer finished before is in the store.
#[derive(Debug, thiserror::Error)]
pub enum BuildError {
    /// The layer store failed.
    #[error(transparent)]
    Store(StoreError),
    /// The base could not be made of packages.
    #[error("cannot make the base")]
    Bootstrap(#[source] Box<BootstrapError>),
    /// Packages of the bootstrap are in none of its repositories: each with the elements that ask for it.
    #[error("no repository has the package {}", .0.join(", nor "))]
    PackageNotFound(Vec<String>),
    /// The guest failed outside of any action.
    #[error("cannot {doing}")]
    Guest {
        /// What was being done.
        doing: String,
        /// What the guest said.
        #[source]
        source: GuestError,
    },
    /// A step failed.
    #[error("step `{step}` failed")]
    Step {
        /// The step.
        step: StepId,
        /// What failed in it.
        source: Box<ActionError>,
        /// The disk as it was then, if it was kept.
        kept: Option<PathBuf>,
    },
    /// The disk of a failed step could not be kept; told as a warning.
    #[error(transparent)]
    Keep(#[from] crate::process::ProcessError),
    /// A step failed because the host had no room left for its layer.
    #[error("step `{step}` failed: no space left on this machine in {}", dir.display())]
    HostFull {
        /// The step.
        step: StepId,
        /// Directory of the layers.
        dir: PathBuf,
        /// What failed in it.
        source: Box<ActionError>,
    },
    /// What outputs need could not be taken out of the final disk.
    #[error("cannot read the final disk: {0}")]
    Extract(String),
    /// The disk is too small for its partitions.
    #[error(transparent)]
    Layout(#[from] LayoutError),
    /// A layer that was made or found is not in the store any more.
    #[error("layer {} is gone from the cache: was it removed by hand?", .0.short())]
    Vanished(LayerKey),
    /// The user asked to stop.
    #[error("interrupted")]
    Interrupted,
}

/// A disk on which every step but the last has been done.
#[derive(Debug)]
pub struct BuiltDisk<'a> {
    session: Session<'a>,
    mounts: Vec<Mount>,
}

/// A disk that will not change any more, and what was found on it.
#[derive(Debug, Clone)]
pub struct FinalDisk {
    /// Its last layer, with the whole chain below it.
    pub layer: crate::layer::Layer,
    /// Seconds each step took when it was made, in order.
    pub timings: Vec<(StepId, f64)>,
}

/// An image that a plan's base is.
#[derive(Debug, Clone)]
pub struct OpenedImage {
    /// Name of its file among the store's images.
    pub file: String,
    /// Size of the disk in it, in bytes.
    pub virtual_size: u64,
    /// What is on it.
    pub inspection: Inspection,
}

/// Does every step of a plan but the last, [`finalize`].
///
/// `image` is given for a plan whose base is one. The session may have been used before, to inspect it.
pub fn build<'a>(
    plan: &Plan,
    image: Option<&OpenedImage>,
    mut session: Session<'a>,
    on_failure: &mut dyn OnFailure,
) -> Result<BuiltDisk<'a>, BuildError> {
    let workshop = session.workshop;
    workshop.reporter.report(&Event::BuildStarted { name: plan.name.clone(), steps: plan.steps.len() });
    for note in &plan.notes {
        workshop.reporter.report(&Event::Warning { message: note.clone() });
    }
    let mounts = mounts(plan, image)?;
    for step in plan.steps.iter().filter(|step| step.id.phase != Phase::Finalize) {
        let Some(slot) = claim(plan, step, &mut session)? else { continue };
        let started = Instant::now();
        match (step.id.phase, image) {
            (Phase::Base, None) => bootstrap(plan, step, slot, &mut session),
            (Phase::Base, Some(image)) => open_image(plan, step, slot, image, &mounts, &mut session),
            _ => run_step(plan, step, slot, &mounts, &mut session, on_failure),
        }
        .inspect_err(|error| report_failure(workshop, step, started, error))?;
    }
    Ok(BuiltDisk { session, mounts })
}

/// Reports that a step has failed, unless it was stopped, or its failure was reported before a person was asked.
fn report_failure(workshop: &Workshop, step: &Step, started: Instant, error: &BuildError) {
    if !matches!(error, BuildError::Interrupted | BuildError::Step { .. }) {
        workshop.reporter.report(&Event::StepFailed { step: step.id.clone(), elapsed: started.elapsed() });
    }
}

/// Gives unused blocks back, takes stock of the packages and what the outputs need, and stops the guest: the disk is
/// final. An examiner looks at it before that, if it has not looked at the same disk before.
pub fn finalize(
    plan: &Plan,
    mut built: BuiltDisk<'_>,
    examiner: Option<&Examiner<'_>>,
) -> Result<FinalDisk, BuildError> {
    let step = plan.steps.last().expect("a plan ends with the final step");
    let needs = Needs::of(&plan.outputs, examiner);
    match claim(plan, step, &mut built.session)? {
        Some(slot) => {
            let started = Instant::now();
            take_stock(plan, slot, needs, &mut built)
                .map(|found| built.session.finish_step(plan, step, started, found))
                .inspect_err(|error| report_failure(built.session.workshop, step, started, error))?;
        }
        None => extract::take_later(plan, &mut built, needs)?,
    }
    let BuiltDisk { mut session, .. } = built;
    session.close()?;
    let workshop = session.workshop;
    let mut timings = Vec::new();
    let mut last = None;
    for step in &plan.steps {
        let layer = workshop.store.find(&step.key)?.ok_or(BuildError::Vanished(step.key))?;
        timings.push((step.id.clone(), layer.meta.seconds));
        last = Some(layer);
    }
    let layer = last.ok_or(BuildError::Vanished(step.key))?;
    Ok(FinalDisk { layer, timings })
}

/// Trims the disk in its last layer, lists what is installed on it and takes out what outputs need.
fn take_stock(plan: &Plan, slot: Slot, needs: Needs<'_>, built: &mut BuiltDisk<'_>) -> Result<Found, BuildError> {
    let BuiltDisk { session, mounts } = built;
    let dir = slot.directory().to_owned();
    session.enter(slot, plan, mounts)?;
    let guest = session.guest()?;
    guest.trim().doing("give unused blocks back")?;
    let packages = actions::installed_packages(guest, plan.os.mechanisms.packages).doing("list the packages")?;
    let mut taken = extract::take(needs, guest, mounts, &packages, &dir).doing(LOOK)?;
    taken.facts.insert(PACKAGES.to_owned(), serde_json::json!(packages));
    Ok(Found { facts: serde_json::Value::Object(taken.facts), extras: taken.extras })
}

/// The right to make a step's layer, or `None` if there is one.
fn claim(plan: &Plan, step: &Step, session: &mut Session<'_>) -> Result<Option<Slot>, BuildError> {
    let workshop = session.workshop;
    let reporter = &workshop.reporter;
    let mut on_wait = || reporter.report(&Event::Waiting { step: step.id.clone() });
    match workshop.store.claim(&step.key, &workshop.interrupt, &mut on_wait)? {
        Lookup::Hit(_) => {
            reporter.report(&Event::StepCached { step: step.id.clone() });
            session.rest()?;
            Ok(None)
        }
        Lookup::Miss(slot) => {
            let reason = workshop.store.explain(&step.ingredients, &step.id.to_string(), &plan.name);
            reporter.report(&Event::StepStarted { step: step.id.clone(), reason });
            Ok(Some(slot))
        }
    }
}

/// Makes the base of packages, natively, while the guest is being launched.
fn bootstrap(plan: &Plan, step: &Step, slot: Slot, session: &mut Session<'_>) -> Result<(), BuildError> {
    let (BasePlan::Bootstrap { source, repositories }, Some(how)) = (&plan.base, &plan.os.bootstrap) else {
        return Ok(());
    };
    let workshop = session.workshop;
    let started = Instant::now();
    let packages: Vec<_> = plan.packages.keys().cloned().collect();
    let request = BootstrapRequest {
        distro: &source.distro,
        how,
        release: &source.release,
        arch: plan.arch,
        repositories,
        packages: &packages,
        disk: &plan.disk,
        seed: *step.key.digest(),
        target: slot.disk_path(),
        cache_dir: &workshop.cache,
    };
    // Either of the two ends the other when it fails.
    let both = Interrupt::new();
    let raised = both.clone();
    workshop.interrupt.on_raise(move || raised.raise());
    let (made, launched) = std::thread::scope(|scope| {
        let made =
            scope.spawn(|| (workshop.bootstrap)(&request, &*workshop.reporter, &both).inspect_err(|_| both.raise()));
        let launched = session.launch(&both).inspect_err(|_| both.raise());
        (made.join().unwrap_or_else(|panic| std::panic::resume_unwind(panic)), launched)
    });
    if workshop.interrupt.is_raised() {
        return Err(BuildError::Interrupted);
    }
    match made {
        Ok(()) => {}
        Err(BootstrapError::PackageNotFound { packages }) => {
            let wanted = packages.into_iter().map(|package| {
                let wanted_by = plan.packages.get(&package).cloned().unwrap_or_default();
                format!("{package} (wanted by {})", wanted_by.join(", "))
            });
            return Err(BuildError::PackageNotFound(wanted.collect()));
        }
        // The bootstrap was ended because the guest could not be launched.
        Err(BootstrapError::Interrupted) => return launched.and(Err(BuildError::Interrupted)),
        Err(error) => return Err(BuildError::Bootstrap(Box::new(error))),
    }
    let elapsed = started.elapsed();
    session.commit(slot, new_layer(plan, step, elapsed, Found::default()))?;
    // The base is whole, whatever became of the guest.
    launched?;
    workshop.reporter.report(&Event::StepFinished { step: step.id.clone(), elapsed });
    Ok(())
}

/// Opens an image as the base, grown to the size of the disk.
fn open_image(
    plan: &Plan,
    step: &Step,
    slot: Slot,
    image: &OpenedImage,
    mounts: &[Mount],
    session: &mut Session<'_>,
) -> Result<(), BuildError> {
    let started = Instant::now();
    let larger = image.virtual_size < plan.disk.size.get();
    let root = image.inspection.mounts.iter().find(|mount| mount.path == "/");
    let grow = match root.filter(|_| larger).map(|root| &root.source) {
        Some(MountSource::Partition(number)) => Some(*number),
        Some(MountSource::Device(device)) => {
            let message = format!("the root file system is on {device}, no plain partition: it is not grown");
            session.workshop.reporter.report(&Event::Warning { message });
            None
        }
        None => None,
    };
    session.open(slot, &image.file, plan, grow, mounts)?;
    session.finish_step(plan, step, started, Found::default());
    Ok(())
}

/// Runs one step in its layer, again if the person who looked at its failure says so.
fn run_step(
    plan: &Plan,
    step: &Step,
    slot: Slot,
    mounts: &[Mount],
    session: &mut Session<'_>,
    on_failure: &mut dyn OnFailure,
) -> Result<(), BuildError> {
    let workshop = session.workshop;
    let reporter = &workshop.reporter;
    let mut started = Instant::now();
    session.enter(slot, plan, mounts)?;
    loop {
        let guest = session.guest()?;
        let result = Executor {
            guest: &mut *guest,
            mechanisms: &plan.os.mechanisms,
            arch: plan.arch.name(),
            packages: &plan.packages,
            secrets: &workshop.secrets,
            package_cache: package_cache(plan, workshop),
            scratch: &workshop.scratch,
            epoch: plan.epoch(),
            timeout: step.timeout.map_or(workshop.timeout, |timeout| timeout.max(workshop.timeout)),
        }
        .run(step);
        let Err(error) = result else { break };
        if workshop.interrupt.is_raised() || matches!(error.guest(), Some(GuestError::Interrupted)) {
            return Err(BuildError::Interrupted);
        }
        reporter.report(&Event::StepFailed { step: step.id.clone(), elapsed: started.elapsed() });
        // To the guest, a host that is full is a disk that is broken.
        if available_bytes(workshop.store.root()).is_ok_and(|free| free < HOST_FULL) {
            let dir = workshop.store.root().to_owned();
            return Err(BuildError::HostFull { step: step.id.clone(), dir, source: Box::new(error) });
        }
        let alive = !matches!(error.guest(), Some(GuestError::Died(_) | GuestError::Deadline(_)));
        let after = if alive { on_failure.failed(&step.id, &error, guest) } else { AfterFailure::Clean };
        let kept = match after {
            AfterFailure::Retry => {
                started = Instant::now();
                reporter.report(&Event::StepStarted { step: step.id.clone(), reason: Some("tried again".to_owned()) });
                session.start_again(plan, mounts)?;
                continue;
            }
            // That the step failed is the news, also where its disk cannot be kept.
            AfterFailure::Keep(path) => match session.keep(plan, &path) {
                Ok(()) => Some(path),
                Err(BuildError::Interrupted) => return Err(BuildError::Interrupted),
                Err(failure) => {
                    let message = format!("cannot keep the disk of the failed step: {}", with_causes(&failure));
                    reporter.report(&Event::Warning { message });
                    None
                }
            },
            AfterFailure::Clean => None,
        };
        return Err(BuildError::Step { step: step.id.clone(), source: Box::new(error), kept });
    }
    session.finish_step(plan, step, started, Found::default());
    Ok(())
}

fn package_cache(plan: &Plan, workshop: &Workshop) -> Option<PackageCache> {
    match &plan.base {
        BasePlan::Image { sha256, .. } => {
            Some(PackageCache { dir: workshop.cache.join("packages").join(format!("image-{sha256}")) })
        }
        BasePlan::Bootstrap { .. } => None,
    }
}

/// What is mounted where.
fn mounts(plan: &Plan, image: Option<&OpenedImage>) -> Result<Vec<Mount>, LayoutError> {
    Ok(match image {
        Some(image) => image.inspection.mounts.clone(),
        None => DiskLayout::new(&plan.disk, plan.arch, plan.steps[0].key.digest())?.mounts(),
    })
}

/// What a step has found on the disk, or taken out of it.
#[derive(Debug, Default)]
struct Found {
    facts: serde_json::Value,
    extras: Vec<Extra>,
}

fn new_layer(plan: &Plan, step: &Step, elapsed: Duration, found: Found) -> NewLayer {
    NewLayer {
        seconds: (elapsed.as_secs_f64() * 1000.0).round() / 1000.0,
        step: step.id.to_string(),
        image_name: plan.name.clone(),
        ingredients: step.ingredients.clone(),
        facts: found.facts,
        extras: found.extras,
    }
}

/// An error with what caused it, in one line.
fn with_causes(error: &dyn std::error::Error) -> String {
    let causes = std::iter::successors(error.source(), |cause| cause.source());
    causes.fold(error.to_string(), |text, cause| format!("{text}: {cause}"))
}

impl From<StoreError> for BuildError {
    fn from(error: StoreError) -> Self {
        match error {
            StoreError::Interrupted => Self::Interrupted,
            error => Self::Store(error),
        }
    }
}

/// Says what the guest was asked to do when it failed.
trait Doing<T> {
    fn doing(self, doing: &str) -> Result<T, BuildError>;
}

impl<T> Doing<T> for Result<T, GuestError> {
    fn doing(self, doing: &str) -> Result<T, BuildError> {
        self.map_err(|source| match source {
            GuestError::Interrupted => BuildError::Interrupted,
            source => BuildError::Guest { doing: doing.to_owned(), source },
        })
    }
}
