//! Runs the last step, after which the disk is final.

use std::time::Instant;

use super::claim::{claim, report_failure};
use super::disk::{BuiltDisk, FinalDisk};
use super::error::{BuildError, During as _};
use super::extract::{Examiner, Needs};
use super::facts::{LOOK, PACKAGES};
use super::new_layer::Found;
use super::steps::executor;
use super::{actions, extract, locked};
use crate::guest::GuestError;
use crate::layer::Slot;
use crate::plan::Plan;

/// Labels files for SELinux, trims the disk, lists its packages, extracts what the outputs need, and stops the guest: the disk is final. Before that, an
/// examiner runs, unless it has examined the same disk before.
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
            collect_facts(plan, slot, needs, &mut built)
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

/// Labels files for SELinux, trims the disk in its last layer, lists the installed packages, and extracts what outputs need.
fn collect_facts(plan: &Plan, slot: Slot, needs: Needs<'_>, built: &mut BuiltDisk<'_>) -> Result<Found, BuildError> {
    let BuiltDisk { session, mounts } = built;
    let dir = slot.directory().to_owned();
    session.enter(slot, plan, mounts)?;
    let workshop = session.workshop;
    let guest = session.guest()?;
    let step = plan.steps.last().expect("a plan ends with the final step");
    // No file changes after this.
    executor(plan, step, workshop, &mut *guest).label().map_err(|error| match error.guest() {
        Some(GuestError::Interrupted) => BuildError::Interrupted,
        _ => BuildError::Step { step: step.id.clone(), source: Box::new(error), kept: None },
    })?;
    if let Some((path, mount)) = locked::hidden(plan, &mut *guest).during(LOOK)? {
        return Err(BuildError::Hidden { path, mount });
    }
    guest.trim().during("give unused blocks back")?;
    let packages = actions::installed_packages(guest, plan.os.mechanisms.packages).during("list the packages")?;
    let mut taken = extract::take(needs, guest, mounts, &packages, &dir).during(LOOK)?;
    taken.facts.insert(PACKAGES.to_owned(), serde_json::json!(packages));
    Ok(Found { facts: serde_json::Value::Object(taken.facts), extras: taken.extras })
}
