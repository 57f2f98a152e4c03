//! Builds on several machines: takes what others have made, and waits for what they are making.

use std::time::{Duration, Instant};

use super::error::BuildError;
use super::session::Session;
use super::workshop::Workshop;
use crate::event::Event;
use crate::plan::{Plan, Step};
use crate::remote::{Lacking, Maker, Turn, Wanted, Wish};

/// Time for what a step does besides its programs.
const GRACE: Duration = Duration::from_secs(60);

/// Fetches the layers that other machines have made.
pub(super) fn fetch(plan: &Plan, wish: Wish, session: &mut Session<'_>) -> Result<(), BuildError> {
    let Workshop { store, remote, reporter, interrupt, .. } = session.workshop;
    let Some(remote) = remote else { return Ok(()) };
    let wanted: Vec<_> =
        plan.steps.iter().map(|step| Wanted { key: step.key, ingredients: &step.ingredients }).collect();
    session.fetched.extend(remote.fetch(&wanted, wish, store, &**reporter, interrupt)?);
    Ok(())
}

/// Returns whether this machine makes a layer: `true` with the lease of it, if there are leases; `false` if another machine has shared it
/// meanwhile. Waits as long as another machine is making it.
pub(super) fn is_ours(plan: &Plan, step: &Step, session: &mut Session<'_>) -> Result<bool, BuildError> {
    let Workshop { remote, reporter, interrupt, .. } = session.workshop;
    let Some(remote) = remote else { return Ok(true) };
    let mut turn = remote.turn(&lacking(plan, step, session)?, interrupt);
    if let Turn::Wait(maker) = turn {
        // Another machine may need what this one has made. The layer below is complete now.
        session.pause()?;
        let mut activity: Option<(String, Instant)> = None;
        let end = |activity: Option<(String, Instant)>| {
            if let Some((activity, begun)) = activity {
                reporter.report(&Event::ActivityFinished { activity, elapsed: begun.elapsed() });
            }
        };
        let mut on_change = |maker: &Maker| {
            end(activity.take());
            let who = maker.machine.as_deref().unwrap_or("another machine");
            let what = if maker.uploads { "uploads" } else { "makes" };
            let now = format!("wait for {who}, which {what} `{}`", step.id);
            reporter.report(&Event::ActivityStarted { activity: now.clone() });
            activity = Some((now, Instant::now()));
        };
        let (lacking, longest) = (lacking(plan, step, session)?, longest(step, session.workshop));
        turn = remote.wait(&lacking, maker, longest, interrupt, &mut on_change);
        end(activity);
        if interrupt.is_raised() {
            return Err(BuildError::Interrupted);
        }
    }
    match turn {
        Turn::Make(lease) => {
            session.leases.extend(lease.map(|lease| (step.key, lease)));
            Ok(true)
        }
        Turn::Fetch | Turn::Wait(_) => {
            session.pause()?;
            Ok(false)
        }
    }
}

/// Returns what is known about a layer and the one below it.
fn lacking(plan: &Plan, step: &Step, session: &Session<'_>) -> Result<Lacking, BuildError> {
    let below = plan.steps.windows(2).find(|pair| pair[1].key == step.key).map(|pair| pair[0].key);
    let parent = match below {
        Some(key) => Some((key, session.workshop.store.find(&key)?.map(|layer| layer.meta.sha256))),
        None => None,
    };
    Ok(Lacking { key: step.key, parent })
}

/// Returns how long a machine may take to make a layer.
fn longest(step: &Step, workshop: &Workshop) -> Duration {
    let each = step.timeout.map_or(workshop.timeout, |timeout| timeout.max(workshop.timeout));
    each.saturating_mul(u32::try_from(step.actions.len().max(1)).unwrap_or(u32::MAX)).saturating_add(GRACE)
}
