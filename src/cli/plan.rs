//! The command `goldsmith plan`: shows the steps of a build without running them.

use std::collections::HashMap;
use std::sync::Arc;

use clap::Args;
use serde::Serialize;
use serde_json::json;

use super::build_host::BuildHost;
use super::failure::Failure;
use super::graph::Place;
use super::options::{CacheOption, PlanningOptions, RecipeOptions, RemoteOptions, RemoteUse, Sources};
use super::output::{columns, print};
use super::progress::TerminalReporter;
use super::settings::{Global, secrets_of_base};
use super::{graph, hints, lacking, signals};
use crate::digest::Sha256;
use crate::event::{Event, Reporter as _};
use crate::fetch::redacted;
use crate::layer::{LayerKey, Store};
use crate::pipeline::{Pipeline, Source};
use crate::plan::{BasePlan, Graph, Plan, Step, StepId};
use crate::remote::{RemoteCache, Standing, Wanted};

/// `goldsmith plan`.
#[derive(Debug, Args)]
pub(super) struct PlanArgs {
    /// The recipes.
    #[command(flatten)]
    pub(super) source: RecipeOptions,
    /// The cache.
    #[command(flatten)]
    pub(super) cache: CacheOption,
    /// How bases are found, pinned and looked into.
    #[command(flatten)]
    pub(super) planning: PlanningOptions,
    /// The cache that several machines share.
    #[command(flatten)]
    pub(super) remote: RemoteOptions,
    /// Print the layers as a graph in the DOT language of Graphviz
    #[arg(long, conflicts_with = "json")]
    pub(super) dot: bool,
}

/// Shows what a build would do.
pub(super) fn plan(args: &PlanArgs, global: &Global) -> Result<(), Failure> {
    let Sources { images, several } = args.source.read(global)?;
    if !args.dot {
        return show(images, several, (&args.planning, &args.remote), global);
    }
    let caches = Caches::open(&args.remote, global)?;
    let plans = plans(images, &args.planning, global)?;
    print(&graph::dot(&Graph::of(&plans), &cached(&plans, &caches)?));
    Ok(())
}

/// Prints the plans of images, and which of their steps are cached.
pub(super) fn show(
    images: Vec<Source>,
    several: bool,
    (planning, remote): (&PlanningOptions, &RemoteOptions),
    global: &Global,
) -> Result<(), Failure> {
    let caches = Caches::open(remote, global)?;
    let plans = plans(images, planning, global)?;
    match plans.as_slice() {
        [plan] if !several => one(plan, &status(plan, &caches)?, global),
        _ if global.json => {
            let record = |plan| Ok(record(plan, &status(plan, &caches)?));
            let (each, layers) =
                (plans.iter().map(record).collect::<Result<Vec<_>, Failure>>()?, Graph::of(&plans).layers);
            print(&format!("{}\n", json!({ "plans": each, "layers": layers })));
        }
        _ => {
            let titles: String = plans.iter().map(|plan| title(plan) + &notes(plan)).collect();
            let tree = graph::text(&Graph::of(&plans), &cached(&plans, &caches)?, global.stdout);
            print(&format!("{titles}\n{tree}"));
        }
    }
    Ok(())
}

/// The caches that may have the layers of a plan.
pub(super) struct Caches {
    store: Store,
    remote: Option<Arc<RemoteCache>>,
    screen: TerminalReporter,
}

impl Caches {
    pub(super) fn open(remote: &RemoteOptions, global: &Global) -> Result<Self, Failure> {
        Ok(Self {
            store: Store::open(&global.cache).map_err(|error| hints::store(&error))?,
            remote: remote.open(RemoteUse::Read, global)?,
            screen: TerminalReporter::on_stderr(global.terminal),
        })
    }

    /// Returns where the layers of a plan are. A remote cache that fails has none of them, as in a build.
    pub(super) fn look(&self, plan: &Plan) -> Result<Vec<Standing>, Failure> {
        let wanted: Vec<_> =
            plan.steps.iter().map(|step| Wanted { key: step.key, ingredients: &step.ingredients }).collect();
        let mut standings = Vec::new();
        if let Some(remote) = &self.remote {
            match remote.look(&wanted, &self.store, &signals::interrupt()?) {
                Ok(found) => standings = found,
                Err(error) => {
                    let message = format!("the remote cache {} is not used: {error}", remote.place());
                    self.screen.report(&Event::Warning { message });
                }
            }
        }
        for layer in &wanted[standings.len()..] {
            let here = self.store.find(&layer.key).map_err(|error| hints::store(&error))?.is_some();
            standings.push(if here { Standing::Here } else { Standing::Absent });
        }
        Ok(standings)
    }
}

/// Returns the cache that a build will take a layer from.
fn place(standing: &Standing) -> Option<Place> {
    match standing {
        Standing::Here => Some(Place::Here),
        Standing::Remote(_) => Some(Place::Remote),
        _ => None,
    }
}

/// Makes the plans of images.
pub(super) fn plans(
    images: Vec<Source>,
    PlanningOptions { pinning, machine, cloud }: &PlanningOptions,
    global: &Global,
) -> Result<Vec<Plan>, Failure> {
    // A base image may have to be fetched and looked into first, which takes its time.
    let screen = Arc::new(TerminalReporter::on_stderr(global.terminal));
    let host = BuildHost::new(machine, global)?;
    let interrupt = signals::interrupt()?;
    let policy = pinning.policy();
    let mut plans = Vec::new();
    for source in images {
        let recipe = source.clone();
        let mut workshop = host.workshop(Arc::clone(&screen) as _, &interrupt, cloud, global)?;
        workshop.secrets = secrets_of_base(&source.loaded.recipe)?;
        let pipeline = Pipeline::new(source, policy, workshop, &host.host);
        let prepared = pipeline.prepare(&mut pipeline.session());
        let prepared = prepared.map_err(|error| {
            screen.finish();
            hints::pipeline(&error, global.terminal.color)
        });
        let mut plan = prepared?.plan;
        plan.notes.extend(lacking::of_plan(&recipe, &plan, &global.cache));
        plans.push(plan);
    }
    screen.finish();
    Ok(plans)
}

/// Whether the cache has the layer of a step, or why not.
#[derive(Serialize)]
struct Status<'p> {
    step: &'p StepId,
    key: LayerKey,
    cached: bool,
    /// Whether a build fetches the layer from the remote cache.
    remote: bool,
    reason: Option<String>,
}

fn status<'p>(plan: &'p Plan, caches: &Caches) -> Result<Vec<Status<'p>>, Failure> {
    let standings = caches.look(plan)?;
    let status = |(step, standing): (&'p Step, &Standing)| {
        let Step { id, key, ingredients, .. } = step;
        let place = place(standing);
        let explained = || caches.store.explain(ingredients, &id.to_string(), &plan.name);
        let reason = if place.is_some() { None } else { explained() };
        let (cached, remote) = (place == Some(Place::Here), place == Some(Place::Remote));
        Status { step: id, key: *key, cached, remote, reason }
    };
    Ok(plan.steps.iter().zip(&standings).map(status).collect())
}

/// Returns the layers that the caches have.
fn cached(plans: &[Plan], caches: &Caches) -> Result<HashMap<LayerKey, Place>, Failure> {
    let mut cached = HashMap::new();
    for plan in plans {
        let standings = caches.look(plan)?;
        cached.extend(plan.steps.iter().zip(&standings).filter_map(|(step, found)| Some((step.key, place(found)?))));
    }
    Ok(cached)
}

fn record(plan: &Plan, status: &[Status<'_>]) -> serde_json::Value {
    json!({ "plan": plan, "status": status })
}

/// Prints the plan of a single image.
fn one(plan: &Plan, status: &[Status<'_>], global: &Global) {
    if global.json {
        print(&format!("{}\n", record(plan, status)));
        return;
    }
    print(&heading(plan));
    let reasons = once(status.iter().map(|status| status.reason.as_deref()));
    let rows: Vec<_> = plan
        .steps
        .iter()
        .zip(status)
        .zip(reasons)
        .map(|((step, Status { cached, remote, .. }), reason)| {
            let actions = match step.actions.len() {
                0 => String::new(),
                _ => step.actions.iter().map(crate::action::Action::name).collect::<Vec<_>>().join(", "),
            };
            let state = match (cached, remote) {
                (true, _) => Place::Here.word(),
                (_, true) => Place::Remote.word(),
                _ => "will run",
            };
            let why = reason.map(|reason| format!(": {reason}")).unwrap_or_default();
            let actions =
                if actions.chars().count() > 48 { format!("{} actions", step.actions.len()) } else { actions };
            vec![step.id.phase.name().to_owned(), step.id.element.clone(), format!("{state}{why}"), actions]
        })
        .collect();
    print(&columns(&rows));
    let cached = status.iter().filter(|status| status.cached).count();
    let fetched = match status.iter().filter(|status| status.remote).count() {
        0 => String::new(),
        count => format!(", {count} are in the remote cache"),
    };
    print(&format!("\n{} of {} steps are cached{fetched}\n", cached, plan.steps.len()));
}

/// Leaves out a reason that is that of the step before: what is true of a run of steps is said once.
fn once<'r>(reasons: impl Iterator<Item = Option<&'r str>>) -> Vec<Option<&'r str>> {
    let mut last = None;
    let said = |reason: Option<&'r str>| {
        let repeated = reason.is_some() && last == reason;
        last = reason;
        reason.filter(|_| !repeated)
    };
    reasons.map(said).collect()
}

/// Returns the line that says what is made.
fn title(plan: &Plan) -> String {
    let firmware: Vec<_> = plan.disk.firmware.iter().map(|firmware| firmware.name()).collect();
    let Plan { name, distro, arch, disk, .. } = plan;
    let (arch, firmware) = (arch.name(), firmware.join(" and "));
    format!("{name}: {} {} for {arch}, {} disk, {firmware}\n", distro.name, distro.release, disk.size)
}

fn heading(plan: &Plan) -> String {
    let mut text = title(plan);
    match &plan.base {
        BasePlan::Bootstrap { repositories, .. } => {
            let index = plan.os.bootstrap.as_ref().map_or("index", |how| how.tool.index());
            for pin in repositories {
                text.push_str(&format!("  from {} {}, {index} {}\n", pin.url, pin.suite, pin.sha256.short()));
            }
            text.push_str(&format!("  {} packages asked for\n", plan.packages.len()));
        }
        BasePlan::Installer(plan) => {
            for (key, file) in plan.base.source.files() {
                let sha256 = plan.digests.get(key).map(Sha256::short).unwrap_or_default();
                text.push_str(&format!("  from the installer's {key} {}, sha256 {sha256}\n", redacted(&file.source)));
            }
            let (kind, digest) = (plan.base.answer.kind.name(), plan.answer.short());
            text.push_str(&format!("  answered by its {kind} file, sha256 {digest} without secrets\n"));
        }
        BasePlan::Image { source, sha256, .. } | BasePlan::Tree { source, sha256, .. } => {
            text.push_str(&format!("  from {source}, sha256 {}\n", sha256.short()));
        }
    }
    for (name, value) in &plan.params {
        text.push_str(&format!("  {name} = {value}\n"));
    }
    text.push_str(&notes(plan));
    text.push('\n');
    text
}

fn notes(plan: &Plan) -> String {
    plan.notes.iter().map(|note| format!("  note: {note}\n")).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_reason_that_many_steps_have_is_written_once() {
        let (first, same) =
            ("unlike in debian-12: scripts/motd.sh changed", "unlike in debian-12: an earlier step changed");
        let reasons = [None, Some(first)].into_iter().chain([Some(same); 15]).chain([None, Some(first), Some(same)]);
        let said = once(reasons);
        assert_eq!(said.len(), 20);
        let words: Vec<_> = said.iter().enumerate().filter_map(|(step, reason)| Some((step, (*reason)?))).collect();
        assert_eq!(words, [(1, first), (2, same), (18, first), (19, same)]);
    }
}
