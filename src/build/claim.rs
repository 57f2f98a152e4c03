//! Finds the layer of a step in the store, or claims the right to make it. Also reports a failed step.

use std::time::Instant;

use super::error::BuildError;
use super::session::Session;
use super::workshop::Workshop;
use crate::event::Event;
use crate::layer::{Lookup, Slot};
use crate::plan::{Plan, Step};

/// Reports that a step has failed, unless it was stopped, or its failure was reported already to ask the user.
pub(super) fn report_failure(workshop: &Workshop, step: &Step, started: Instant, error: &BuildError) {
    if !matches!(error, BuildError::Interrupted | BuildError::Step { .. }) {
        workshop.reporter.report(&Event::StepFailed { step: step.id.clone(), elapsed: started.elapsed() });
    }
}

/// Returns the slot for a step's layer, or `None` if the layer exists.
pub(super) fn claim(plan: &Plan, step: &Step, session: &mut Session<'_>) -> Result<Option<Slot>, BuildError> {
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
