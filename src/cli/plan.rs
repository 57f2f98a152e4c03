//! The command `goldsmith plan`: shows the steps of a build without running them.

use std::collections::HashSet;
use std::sync::Arc;

use clap::Args;
use serde::Serialize;
use serde_json::json;

use super::build_host::BuildHost;
use super::cloud::CloudOptions;
use super::failure::Failure;
use super::options::{CacheOption, GuestOptions, PinOptions, RecipeOptions, Sources};
use super::output::{columns, print};
use super::progress::TerminalReporter;
use super::settings::Global;
use super::{graph, hints, lacking, signals};
use crate::layer::{LayerKey, Store};
use crate::pipeline::{Pipeline, Source};
use crate::plan::{BasePlan, Graph, Plan, Step, StepId};

/// `goldsmith plan`.
#[derive(Debug, Args)]
pub(super) struct PlanArgs {
    /// The recipes.
    #[command(flatten)]
    pub(super) source: RecipeOptions,
    /// The cache.
    #[command(flatten)]
    pub(super) cache: CacheOption,
    /// The pinning of mirrors and base images.
    #[command(flatten)]
    pub(super) pinning: PinOptions,
    /// The guest.
    #[command(flatten)]
    pub(super) machine: GuestOptions,
    /// The cloud of a base image.
    #[command(flatten)]
    pub(super) cloud: CloudOptions,
    /// Print the layers as a graph in the DOT language of Graphviz
    #[arg(long, conflicts_with = "json")]
    pub(super) dot: bool,
}

/// The options that decide how a base is found and looked into.
pub(super) type Planning<'a> = (&'a PinOptions, &'a GuestOptions, &'a CloudOptions);

/// Shows what a build would do.
pub(super) fn plan(args: &PlanArgs, global: &Global) -> Result<(), Failure> {
    let Sources { images, several } = args.source.read(global)?;
    if !args.dot {
        return show(images, several, (&args.pinning, &args.machine, &args.cloud), global);
    }
    let (plans, store) = plans(images, (&args.pinning, &args.machine, &args.cloud), global)?;
    print(&graph::dot(&Graph::of(&plans), &cached(&plans, &store)?));
    Ok(())
}

/// Prints the plans of images, and which of their steps are cached.
pub(super) fn show(images: Vec<Source>, several: bool, options: Planning<'_>, global: &Global) -> Result<(), Failure> {
    let (plans, store) = plans(images, options, global)?;
    match plans.as_slice() {
        [plan] if !several => one(plan, &status(plan, &store)?, global),
        _ if global.json => {
            let record = |plan| Ok(record(plan, &status(plan, &store)?));
            let (each, layers) =
                (plans.iter().map(record).collect::<Result<Vec<_>, Failure>>()?, Graph::of(&plans).layers);
            print(&format!("{}\n", json!({ "plans": each, "layers": layers })));
        }
        _ => {
            let titles: String = plans.iter().map(|plan| title(plan) + &notes(plan)).collect();
            let tree = graph::text(&Graph::of(&plans), &cached(&plans, &store)?, global.stdout);
            print(&format!("{titles}\n{tree}"));
        }
    }
    Ok(())
}

/// Makes the plans of images.
fn plans(
    images: Vec<Source>,
    (pinning, machine, cloud): Planning<'_>,
    global: &Global,
) -> Result<(Vec<Plan>, Store), Failure> {
    // A base image may have to be fetched and looked into first, which takes its time.
    let screen = Arc::new(TerminalReporter::on_stderr(global.terminal));
    let host = BuildHost::new(machine, global)?;
    let interrupt = signals::interrupt()?;
    let policy = pinning.policy();
    let mut plans = Vec::new();
    for source in images {
        let recipe = source.clone();
        let workshop = host.workshop(Arc::clone(&screen) as _, &interrupt, cloud, global)?;
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
    Ok((plans, Store::open(&global.cache).map_err(|error| hints::store(&error))?))
}

/// Whether the cache has the layer of a step, or why not.
#[derive(Serialize)]
struct Status<'p> {
    step: &'p StepId,
    key: LayerKey,
    cached: bool,
    reason: Option<String>,
}

fn status<'p>(plan: &'p Plan, store: &Store) -> Result<Vec<Status<'p>>, Failure> {
    let mut all = Vec::new();
    for Step { id, key, ingredients, .. } in &plan.steps {
        let cached = store.find(key).map_err(|error| hints::store(&error))?.is_some();
        let reason = if cached { None } else { store.explain(ingredients, &id.to_string(), &plan.name) };
        all.push(Status { step: id, key: *key, cached, reason });
    }
    Ok(all)
}

/// Returns the layers that the cache has.
fn cached(plans: &[Plan], store: &Store) -> Result<HashSet<LayerKey>, Failure> {
    let keys: HashSet<LayerKey> = plans.iter().flat_map(|plan| &plan.steps).map(|step| step.key).collect();
    let mut cached = HashSet::new();
    for key in keys {
        if store.find(&key).map_err(|error| hints::store(&error))?.is_some() {
            cached.insert(key);
        }
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
    let mut last = None;
    let rows: Vec<_> = plan
        .steps
        .iter()
        .zip(status)
        .map(|(step, Status { cached, reason, .. })| {
            let actions = match step.actions.len() {
                0 => String::new(),
                _ => step.actions.iter().map(crate::action::Action::name).collect::<Vec<_>>().join(", "),
            };
            let state = if *cached { "cached" } else { "will run" };
            // What is true of a run of steps is said once.
            let repeated = reason.is_some() && last == Some(reason);
            last = Some(reason);
            let why = reason.as_ref().filter(|_| !repeated).map(|reason| format!(": {reason}")).unwrap_or_default();
            let actions =
                if actions.chars().count() > 48 { format!("{} actions", step.actions.len()) } else { actions };
            vec![step.id.phase.name().to_owned(), step.id.element.clone(), format!("{state}{why}"), actions]
        })
        .collect();
    print(&columns(&rows));
    let cached = status.iter().filter(|status| status.cached).count();
    print(&format!("\n{} of {} steps are cached\n", cached, plan.steps.len()));
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
