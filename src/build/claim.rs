//! Finds the layer of a step in the store, or claims the right to make it. Also reports a failed step.

use std::time::Instant;

use super::error::BuildError;
use super::session::Session;
use super::turn::{fetch, is_ours};
use super::workshop::Workshop;
use crate::event::Event;
use crate::layer::{Lookup, Slot, Store};
use crate::plan::{Plan, Step};
use crate::remote::Wish;

/// Reports that a step has failed, unless it was stopped, or its failure was reported already to ask the user.
pub(super) fn report_failure(workshop: &Workshop, step: &Step, started: Instant, error: &BuildError) {
    if !matches!(error, BuildError::Interrupted | BuildError::Step { .. }) {
        workshop.reporter.report(&Event::StepFailed { step: step.id.clone(), elapsed: started.elapsed() });
    }
}

/// Returns the number of a step, from 1.
fn number(plan: &Plan, step: &Step) -> usize {
    plan.steps.iter().position(|other| other.key == step.key).map_or(0, |place| place + 1)
}

/// Returns the event that a step starts, with the time that is expected by earlier builds.
pub(super) fn started(plan: &Plan, step: &Step, reason: Option<String>, store: &Store) -> Event {
    let number = number(plan, step);
    let expected = |step: &Step| store.expected(&step.id.to_string(), &plan.name);
    // The layers of steps behind one that is missing are missing too.
    let rest = plan.steps.iter().skip(number.saturating_sub(1)).map(expected).sum();
    let (steps, expected) = (plan.steps.len(), expected(step));
    Event::StepStarted { step: step.id.clone(), number, steps, reason, expected, rest }
}

/// Returns the slot for a step's layer, or `None` if the layer exists. Waits for another machine that is making it.
pub(super) fn claim(plan: &Plan, step: &Step, session: &mut Session<'_>) -> Result<Option<Slot>, BuildError> {
    let workshop = session.workshop;
    let reporter = &workshop.reporter;
    let mut on_wait = || reporter.report(&Event::Waiting { step: step.id.clone() });
    let mut fetched = false;
    loop {
        match workshop.store.claim(&step.key, &workshop.interrupt, &mut on_wait)? {
            Lookup::Hit(layer) => {
                let remote = session.fetched.contains(&step.key);
                reporter.report(&Event::StepCached { step: step.id.clone(), number: number(plan, step), remote });
                if let Some(sharer) = workshop.sharer() {
                    sharer.share(*layer, None);
                }
                session.rest()?;
                return Ok(None);
            }
            Lookup::Miss(slot) => {
                // What could not be fetched is made.
                if !fetched && !is_ours(plan, step, session)? {
                    drop(slot);
                    fetch(plan, Wish::All, session)?;
                    fetched = true;
                    continue;
                }
                let reason = workshop.store.explain(&step.ingredients, &step.id.to_string(), &plan.name);
                reporter.report(&started(plan, step, reason, &workshop.store));
                return Ok(Some(slot));
            }
        }
    }
}
