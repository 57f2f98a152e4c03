//! The parts of `goldsmith cache` for the cache that several machines share.

use std::path::Path;
use std::time::{Duration, SystemTime};

use clap::Args;
use serde_json::json;

use super::failure::{Failure, FailureKind};
use super::options::{self, PlanningOptions, RecipeOptions, RemoteOptions, RemoteUse, Sources};
use super::output::{columns, print, would_remove};
use super::plan::{self, Caches};
use super::progress::{TerminalReporter, during};
use super::settings::Global;
use super::terminal::duration;
use super::{hints, signals};
use crate::event::{Event, Reporter as _};
use crate::layer::{GcPolicy, Layer, LayerState, Store};
use crate::plan::Plan;
use crate::remote::{GcRecord, RemoteError, RemoteLayer, RemoteLease, Standing, Wanted, Wish};
use crate::units::ByteSize;

/// `goldsmith cache explain` and `goldsmith cache pull`.
#[derive(Debug, Args)]
pub(super) struct OfRecipes {
    /// The recipes.
    #[command(flatten)]
    pub(super) source: RecipeOptions,
    /// How bases are found, pinned and looked into.
    #[command(flatten)]
    pub(super) planning: PlanningOptions,
    /// The cache that several machines share.
    #[command(flatten)]
    pub(super) remote: RemoteOptions,
}

/// Makes a key that signs layers.
pub(super) fn keygen(file: &Path, global: &Global) -> Result<(), Failure> {
    let public = options::keygen(file)?.public();
    if global.json {
        print(&format!("{}\n", json!({ "secret_key": file, "public_key": public })));
    } else {
        let file = file.display();
        print(&format!("secret key: {file}\npublic key: {public} (also in {file}.pub)\n"));
    }
    Ok(())
}

/// Lists the layers of the store.
pub(super) fn list(options: &RemoteOptions, global: &Global) -> Result<(), Failure> {
    let remote = options.require(RemoteUse::Read, global)?;
    let interrupt = signals::interrupt()?;
    let layers = remote.list(&interrupt).map_err(|error| hints::remote(&error))?;
    let leases = remote.leases(&interrupt).map_err(|error| hints::remote(&error))?;
    if global.json {
        let record = |layer: &RemoteLayer| {
            let (record, refused) = (layer.record.as_ref().ok(), layer.record.as_ref().err().map(ToString::to_string));
            json!({ "key": layer.key, "last_used": timestamp(layer.last_used), "record": record, "refused": refused })
        };
        let being_made = |lease: &RemoteLease| json!({ "key": lease.key, "last_used": timestamp(lease.renewed), "record": null, "refused": made_by(lease) });
        let all = layers.iter().map(record).chain(leases.iter().map(being_made));
        print(&format!("{}\n", json!(all.collect::<Vec<_>>())));
        return Ok(());
    }
    let mut rows = vec![["LAYER", "IMAGE", "STEP", "SIZE", "LAST USED", ""].map(str::to_owned).to_vec()];
    let mut total = 0;
    for layer in &layers {
        let (image, step, bytes, state) = match &layer.record {
            Ok(record) => {
                let meta = &record.layer;
                (meta.image_name.clone(), meta.step.clone(), Some(record.bytes()), String::new())
            }
            Err(refusal) => ("-".to_owned(), "-".to_owned(), None, refusal.to_string()),
        };
        total += bytes.unwrap_or(0);
        let size = bytes.map_or_else(|| "-".to_owned(), |bytes| ByteSize::bytes(bytes).to_string());
        rows.push(vec![layer.key.short(), image, step, size, timestamp(layer.last_used), state]);
    }
    let row = |lease: &RemoteLease| {
        let [image, step, size] = ["-"; 3].map(str::to_owned);
        vec![lease.key.short(), image, step, size, timestamp(lease.renewed), made_by(lease)]
    };
    rows.extend(leases.iter().map(row));
    if rows.len() > 1 {
        print(&columns(&rows));
    }
    print(&format!("{} layers, {}\n", layers.len(), ByteSize::bytes(total)));
    Ok(())
}

/// Says who makes a layer.
fn made_by(lease: &RemoteLease) -> String {
    let machine = if lease.machine.is_empty() { "a machine" } else { &lease.machine };
    format!("{machine} {} it", if lease.uploads { "uploads" } else { "makes" })
}

fn timestamp(time: SystemTime) -> String {
    let time = jiff::Timestamp::try_from(time);
    time.map_or_else(|_| "-".to_owned(), |time| time.strftime("%F %T").to_string())
}

/// Shows the progress of something long on a terminal.
fn shown<T>(
    global: &Global,
    activity: &str,
    work: impl FnOnce(&TerminalReporter) -> Result<T, RemoteError>,
) -> Result<T, Failure> {
    during(global.terminal, activity, work).map_err(|error| hints::remote(&error))
}

/// Compares all blobs of the store with their records.
pub(super) fn verify(options: &RemoteOptions, global: &Global) -> Result<(), Failure> {
    let remote = options.require(RemoteUse::Read, global)?;
    let (interrupt, activity) = (signals::interrupt()?, "read the remote cache");
    let findings = shown(global, activity, |screen| {
        remote.verify(&interrupt, &mut |done, total| {
            screen.report(&Event::Progress { activity: activity.to_owned(), done, total: Some(total) });
        })
    })?;
    if global.json {
        print(&format!("{}\n", json!({ "findings": findings })));
    } else if findings.is_empty() {
        print("every layer of the remote cache matches its record\n");
    } else {
        findings.iter().for_each(|finding| print(&format!("layer {}: {}\n", finding.layer.short(), finding.problem)));
    }
    match findings.len() {
        0 => Ok(()),
        count => Err(Failure::of(FailureKind::Host, format!("{count} layers of the remote cache cannot be used"))
            .hint("builds make them again, and those with --remote-cache-write replace them")),
    }
}

/// Removes layers of the store.
pub(super) fn gc(policy: GcPolicy, options: &RemoteOptions, global: &Global) -> Result<(), Failure> {
    let remote = options.require(RemoteUse::Manage, global)?;
    let interrupt = signals::interrupt()?;
    let report = remote.gc(policy, &interrupt).map_err(|error| hints::remote(&error))?;
    if global.json {
        print(&format!("{}\n", json!(report)));
        return Ok(());
    }
    for GcRecord { key, step, image_name, unused_seconds } in &report.removed {
        let what = match (step, image_name) {
            (Some(step), Some(image)) => format!("`{step}` of {image}"),
            _ => "its record is not readable".to_owned(),
        };
        let what = format!("{what}, last used {} ago", duration(Duration::from_secs(*unused_seconds)));
        if policy.dry_run {
            would_remove(&format!("layer {}", key.short()), &what);
        } else {
            print(&format!("removed layer {}: {what}\n", key.short()));
        }
    }
    if policy.dry_run {
        report.leftovers_removed.iter().for_each(|name| would_remove(name, "its upload was never completed"));
    }
    print(&format!(
        "{} {} layers, {} files, {} leases and {} incomplete uploads of {} ({}); {} layers kept\n",
        if policy.dry_run { "in all" } else { "removed" },
        report.removed.len(),
        report.blobs_removed,
        report.leases_removed,
        report.leftovers_removed.len(),
        remote.place(),
        ByteSize::bytes(report.freed_bytes),
        report.kept,
    ));
    Ok(())
}

/// Shares the layers of this machine.
pub(super) fn push(images: &[String], options: &RemoteOptions, global: &Global) -> Result<(), Failure> {
    let remote = options.require(RemoteUse::Write, global)?;
    let layers = layers(images, global)?;
    let (interrupt, activity) = (signals::interrupt()?, "share layers with the remote cache");
    let pushed = shown(global, activity, |screen| {
        let mut on_progress = |done, total| {
            screen.report(&Event::Progress { activity: activity.to_owned(), done, total: Some(total) });
        };
        remote.push(&layers, screen, &mut on_progress, &interrupt)
    })?;
    if global.json {
        print(&format!("{}\n", json!(pushed)));
    } else {
        print(&format!(
            "{} layers shared ({}), {} were there, {} do not fit what other machines have shared, {} were left out\n",
            pushed.uploaded,
            ByteSize::bytes(pushed.sent),
            pushed.there,
            pushed.other,
            pushed.failed,
        ));
    }
    Ok(())
}

/// Returns all complete layers of this machine, parents before their children, or those of some images with all below them.
fn layers(images: &[String], global: &Global) -> Result<Vec<Layer>, Failure> {
    let store = Store::open(&global.cache).map_err(|error| hints::store(&error))?;
    let mut found: Vec<(usize, Layer)> = Vec::new();
    for info in store.list().map_err(|error| hints::store(&error))? {
        let wanted = |name: &String| images.is_empty() || images.contains(name);
        if info.state != LayerState::Complete || !info.meta.is_some_and(|meta| wanted(&meta.image_name)) {
            continue;
        }
        let chain = store.chain(&info.key).map_err(|error| hints::store(&error))?.unwrap_or_default();
        let depth = chain.len();
        for (number, layer) in chain.into_iter().enumerate() {
            if !found.iter().any(|(_, known)| known.key == layer.key) {
                found.push((depth - number, layer));
            }
        }
    }
    found.sort_by_key(|(depth, _)| *depth);
    Ok(found.into_iter().map(|(_, layer)| layer).collect())
}

/// Fetches the layers of recipes that the remote cache has.
pub(super) fn pull(args: &OfRecipes, global: &Global) -> Result<(), Failure> {
    let Sources { images, .. } = args.source.read(global)?;
    let remote = args.remote.require(RemoteUse::Read, global)?;
    let store = Store::open(&global.cache).map_err(|error| hints::store(&error))?;
    let (interrupt, mut lines) = (signals::interrupt()?, Vec::new());
    for plan in plan::plans(images, &args.planning, global)? {
        let here = |step: &crate::plan::Step| -> Result<bool, Failure> {
            Ok(store.find(&step.key).map_err(|error| hints::store(&error))?.is_some())
        };
        let wanted: Vec<_> =
            plan.steps.iter().map(|step| Wanted { key: step.key, ingredients: &step.ingredients }).collect();
        let screen = TerminalReporter::on_stderr(global.terminal);
        let fetched = remote.fetch(&wanted, Wish::All, &store, &screen, &interrupt);
        screen.finish();
        let fetched = fetched.map_err(|error| hints::store(&error))?;
        let mut missing = Vec::new();
        for step in &plan.steps {
            if !here(step)? {
                missing.push(step.id.to_string());
            }
        }
        let were_here = plan.steps.len() - fetched.len() - missing.len();
        if global.json {
            let line = json!({ "image": plan.name, "fetched": fetched.len(), "here": were_here, "missing": missing });
            lines.push(format!("{line}\n"));
            continue;
        }
        let rest = match missing.first() {
            None => "nothing is left to make".to_owned(),
            Some(first) => format!("{} are left to make, from `{first}` on", missing.len()),
        };
        lines.push(format!("{}: {} layers fetched, {were_here} were here, {rest}\n", plan.name, fetched.len()));
    }
    lines.iter().for_each(|line| print(line));
    if remote.has_failed() {
        return Err(Failure::of(FailureKind::Host, format!("the remote cache {} has failed", remote.place()))
            .hint("the warning above says why; layers that have come are kept"));
    }
    Ok(())
}

/// Shows where each layer of recipes would come from.
pub(super) fn explain(args: &OfRecipes, global: &Global) -> Result<(), Failure> {
    let Sources { images, .. } = args.source.read(global)?;
    args.remote.require(RemoteUse::Read, global)?;
    let caches = Caches::open(&args.remote, global)?;
    for plan in plan::plans(images, &args.planning, global)? {
        let standings = caches.look(&plan)?;
        if global.json {
            explain_json(&plan, &standings);
        } else {
            let row = |(step, standing): (&crate::plan::Step, &Standing)| {
                let (place, why) = told(standing);
                vec![step.id.to_string(), place.to_owned(), why]
            };
            print(&format!(
                "{}:\n{}",
                plan.name,
                columns(&plan.steps.iter().zip(&standings).map(row).collect::<Vec<_>>())
            ));
        }
    }
    Ok(())
}

fn explain_json(plan: &Plan, standings: &[Standing]) {
    let steps = plan.steps.iter().zip(standings).map(|(step, standing)| {
        let (place, why) = told(standing);
        json!({ "step": step.id, "key": step.key, "from": place, "why": why })
    });
    print(&format!("{}\n", json!({ "image": plan.name, "steps": steps.collect::<Vec<_>>() })));
}

/// Returns where a layer would come from, and why.
fn told(standing: &Standing) -> (&'static str, String) {
    let cost = |record: &crate::remote::Record| {
        let seconds = Duration::from_secs_f64(record.layer.seconds.clamp(0.0, 1e9));
        format!("{} to fetch, {} to make", ByteSize::bytes(record.bytes()), duration(seconds))
    };
    match standing {
        Standing::Here => ("cached", String::new()),
        Standing::Remote(record) => ("remote", cost(record)),
        Standing::Slower(record) => ("will run", format!("faster to make than to fetch: {}", cost(record))),
        Standing::Absent => ("will run", "no machine has shared it".to_owned()),
        Standing::Refused(refusal) => ("will run", refusal.to_string()),
        Standing::Below => ("will run", "a step below it will run".to_owned()),
    }
}
