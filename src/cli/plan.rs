//! The command `goldsmith plan`: shows the steps of a build without running them.

use std::sync::Arc;

use clap::Args;
use serde_json::json;

use super::build_host::BuildHost;
use super::failure::Failure;
use super::hints;
use super::options::{GuestOptions, PinOptions, RecipeOptions};
use super::output::{columns, print};
use super::progress::TerminalReporter;
use super::settings::Global;
use crate::layer::Store;
use crate::pipeline::Pipeline;
use crate::plan::{BasePlan, Plan};

/// `goldsmith plan`.
#[derive(Debug, Args)]
pub(super) struct PlanArgs {
    /// The recipe.
    #[command(flatten)]
    pub(super) source: RecipeOptions,
    /// The pinning of mirrors and base images.
    #[command(flatten)]
    pub(super) pinning: PinOptions,
    /// The guest.
    #[command(flatten)]
    pub(super) machine: GuestOptions,
}

/// Shows what a build would do.
pub(super) fn plan(args: &PlanArgs, global: &Global) -> Result<(), Failure> {
    // A base image may have to be fetched and looked into first, which takes its time.
    let screen = Arc::new(TerminalReporter::on_stderr(global.terminal));
    let source = args.source.read(global)?;
    let host = BuildHost::new(&args.machine, global)?;
    let workshop = host.workshop(Arc::clone(&screen) as _, global)?;
    let pipeline = Pipeline::new(source, args.pinning.policy(), workshop, &host.host);
    let prepared = pipeline.prepare(&mut pipeline.session());
    screen.finish();
    let prepared = prepared.map_err(|error| hints::pipeline(&error, global.terminal.color))?;
    show(&prepared.plan, &pipeline.workshop().store, global)
}

/// Prints a plan, and which of its steps are cached.
pub(super) fn show(plan: &Plan, store: &Store, global: &Global) -> Result<(), Failure> {
    let mut steps = Vec::new();
    for step in &plan.steps {
        let cached = store.find(&step.key).map_err(|error| hints::store(&error))?.is_some();
        let reason = if cached { None } else { store.explain(&step.ingredients, &step.id.to_string(), &plan.name) };
        steps.push((step, cached, reason));
    }
    if global.json {
        let status: Vec<_> = steps
            .iter()
            .map(|(step, cached, reason)| json!({ "step": step.id, "key": step.key, "cached": cached, "reason": reason }))
            .collect();
        print(&format!("{}\n", json!({ "plan": plan, "status": status })));
        return Ok(());
    }
    print(&heading(plan));
    let rows: Vec<_> = steps
        .iter()
        .map(|(step, cached, reason)| {
            let actions = match step.actions.len() {
                0 => String::new(),
                _ => step.actions.iter().map(crate::action::Action::name).collect::<Vec<_>>().join(", "),
            };
            let state = if *cached { "cached" } else { "will run" };
            let why = reason.as_ref().map(|reason| format!(": {reason}")).unwrap_or_default();
            let actions =
                if actions.chars().count() > 48 { format!("{} actions", step.actions.len()) } else { actions };
            vec![step.id.phase.name().to_owned(), step.id.element.clone(), format!("{state}{why}"), actions]
        })
        .collect();
    print(&columns(&rows));
    let cached = steps.iter().filter(|(_, cached, _)| *cached).count();
    print(&format!("\n{} of {} steps are cached\n", cached, steps.len()));
    Ok(())
}

fn heading(plan: &Plan) -> String {
    let mut text = format!("{}: {} {} for {}", plan.name, plan.distro.name, plan.distro.release, plan.arch.name());
    let firmware: Vec<_> = plan.disk.firmware.iter().map(|firmware| firmware.name()).collect();
    text.push_str(&format!(", {} disk, {}\n", plan.disk.size, firmware.join(" and ")));
    match &plan.base {
        BasePlan::Bootstrap { repositories, .. } => {
            let index = plan.os.bootstrap.as_ref().map_or("index", |how| how.tool.index());
            for pin in repositories {
                text.push_str(&format!("  from {} {}, {index} {}\n", pin.url, pin.suite, pin.sha256.short()));
            }
            text.push_str(&format!("  {} packages asked for\n", plan.packages.len()));
        }
        BasePlan::Image { source, sha256, .. } => {
            text.push_str(&format!("  from {source}, sha256 {}\n", sha256.short()));
        }
    }
    for (name, value) in &plan.params {
        text.push_str(&format!("  {name} = {value}\n"));
    }
    for note in &plan.notes {
        text.push_str(&format!("  note: {note}\n"));
    }
    text.push('\n');
    text
}
