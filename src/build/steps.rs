//! Runs every step but the last, each in its layer.

use std::time::Instant;

use super::actions::{Executor, PackageCache};
use super::base::{growth, make, open_image};
use super::claim::{claim, report_failure, started as again};
use super::disk::{BuiltDisk, OpenedImage};
use super::error::{BuildError, with_causes};
use super::failure::{AfterFailure, OnFailure};
use super::installed::install;
use super::locked;
use super::new_layer::Found;
use super::session::Session;
use super::turn::fetch;
use super::workshop::Workshop;
use crate::action::Action;
use crate::disk::layout::{DiskLayout, LayoutError};
use crate::event::Event;
use crate::fsx::available_bytes;
use crate::guest::{Guest, GuestError, Mount};
use crate::layer::Slot;
use crate::plan::{BasePlan, Phase, Plan, Step};
use crate::remote::Wish;
use crate::units::ByteSize;

/// Free bytes below which a file system of the host counts as full. A qcow2 file grows by clusters of 64 KiB. Space that an
/// ordinary user may not use does not count.
const HOST_FULL: u64 = 4 * ByteSize::MIB;

/// Runs every step of a plan but the last, [`finalize`](super::finalize::finalize).
///
/// `image` must be given if the base of the plan is an image. The session may be the one that inspected it.
pub fn build<'a>(
    plan: &Plan,
    image: Option<&OpenedImage>,
    mut session: Session<'a>,
    on_failure: &mut dyn OnFailure,
) -> Result<BuiltDisk<'a>, BuildError> {
    let workshop = session.workshop;
    let playbook = |step: &&Step| step.actions.iter().any(|action| matches!(action, Action::Ansible(_)));
    if let Some(step) = plan.steps.iter().find(playbook).filter(|_| !workshop.ansible) {
        return Err(BuildError::Ansible(step.id.clone()));
    }
    workshop.reporter.report(&Event::BuildStarted { name: plan.name.clone(), steps: plan.steps.len() });
    for note in &plan.notes {
        workshop.reporter.report(&Event::Warning { message: note.clone() });
    }
    // Told at every build, also where the base is cached.
    if let Some(hindrance) = image.and_then(|image| growth(plan, image).hindrance) {
        let message = format!("the root file system does not grow to all of `disk.size`: {hindrance}");
        workshop.reporter.report(&Event::Warning { message });
    }
    let mut mounts = mounts(plan, image)?;
    fetch(plan, Wish::Faster, &mut session)?;
    for step in plan.steps.iter().filter(|step| step.id.phase != Phase::Finalize) {
        let slot = claim(plan, step, &mut session)?;
        let started = Instant::now();
        if let (Phase::Base, BasePlan::Installer(_)) = (step.id.phase, &plan.base) {
            let found = install(plan, step, slot, &mut session);
            mounts = found.inspect_err(|error| report_failure(workshop, step, started, error))?;
            continue;
        }
        let Some(slot) = slot else {
            if step.id.phase == Phase::Base {
                locked::open_with(plan, &mut session)?;
            }
            continue;
        };
        match (step.id.phase, image) {
            (Phase::Base, None) => make(plan, step, slot, &mut session),
            (Phase::Base, Some(image)) => open_image(plan, step, slot, image, &mounts, &mut session),
            _ => run_step(plan, step, slot, &mounts, &mut session, on_failure),
        }
        .inspect_err(|error| report_failure(workshop, step, started, error))?;
    }
    Ok(BuiltDisk { session, mounts })
}

/// Runs one step in its layer, and runs it again if the user decides so after a failure.
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
        let mut executor = executor(plan, step, workshop, &mut *guest);
        // The first change of the image, in whichever layer it is.
        let first = plan.steps.get(1).is_some_and(|first| first.key == step.key);
        let noted = if first { executor.note_derived() } else { Ok(()) };
        let result = noted.and_then(|()| executor.run(step));
        let Err(error) = result else { break };
        if workshop.interrupt.is_raised() || matches!(error.guest(), Some(GuestError::Interrupted)) {
            return Err(BuildError::Interrupted);
        }
        reporter.report(&Event::StepFailed { step: step.id.clone(), elapsed: started.elapsed() });
        // For the guest, a full host looks like a broken disk.
        if available_bytes(workshop.store.root()).is_ok_and(|free| free < HOST_FULL) {
            let dir = workshop.store.root().to_owned();
            return Err(BuildError::HostFull { step: step.id.clone(), dir, source: Box::new(error) });
        }
        let alive = !matches!(error.guest(), Some(GuestError::Died(_) | GuestError::Deadline(_)));
        let after = if alive { on_failure.failed(&step.id, &error, guest) } else { AfterFailure::Clean };
        let kept = match after {
            AfterFailure::Retry => {
                started = Instant::now();
                reporter.report(&again(plan, step, Some("tried again".to_owned()), &workshop.store));
                session.start_again(plan, mounts)?;
                continue;
            }
            // The failure of the step matters most, even if its disk cannot be kept.
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

/// Returns the executor of a step in a guest.
pub(super) fn executor<'a>(
    plan: &'a Plan,
    step: &Step,
    workshop: &'a Workshop,
    guest: &'a mut dyn Guest,
) -> Executor<'a> {
    Executor {
        guest,
        mechanisms: &plan.os.mechanisms,
        arch: plan.arch.name(),
        packages: &plan.packages,
        secrets: &workshop.secrets,
        package_cache: package_cache(plan, workshop),
        scratch: &workshop.scratch,
        epoch: plan.epoch(),
        timeout: step.timeout.map_or(workshop.timeout, |timeout| timeout.max(workshop.timeout)),
        reporter: &*workshop.reporter,
        interrupt: &workshop.interrupt,
    }
}

fn package_cache(plan: &Plan, workshop: &Workshop) -> Option<PackageCache> {
    match &plan.base {
        BasePlan::Image { sha256, .. } => {
            Some(PackageCache { dir: workshop.cache.join("packages").join(format!("image-{sha256}")) })
        }
        BasePlan::Tree { sha256, .. } => {
            Some(PackageCache { dir: workshop.cache.join("packages").join(format!("tree-{sha256}")) })
        }
        BasePlan::Installer(_) => {
            let name = format!("installed-{}", plan.steps[0].key);
            Some(PackageCache { dir: workshop.cache.join("packages").join(name) })
        }
        BasePlan::Bootstrap { .. } => None,
    }
}

/// Returns the mounts of the disk; none if an installer makes it, because they are known when it has finished.
pub(super) fn mounts(plan: &Plan, image: Option<&OpenedImage>) -> Result<Vec<Mount>, LayoutError> {
    Ok(match image {
        Some(image) => image.inspection.mounts.clone(),
        None if matches!(plan.base, BasePlan::Installer(_)) => Vec::new(),
        None => DiskLayout::new(&plan.disk, plan.arch, plan.steps[0].key.digest())?.mounts(),
    })
}
