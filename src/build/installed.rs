//! Makes the layer of the first step by an installer, and finds the file systems of the disk that the installer made.
//!
//! No recipe says how an installer partitions a disk, so the finished disk is inspected once. The layer keeps the result.

use std::time::Instant;

use super::error::BuildError;
use super::new_layer::{Found, new_layer};
use super::session::Session;
use crate::base::{InstallError, InstallRequest};
use crate::disk::qemu_img::QemuImg;
use crate::event::Event;
use crate::guest::{GuestError, Inspection, Mount};
use crate::image::Format;
use crate::layer::{Parent, Slot};
use crate::plan::{BasePlan, InstallerPlan, Plan, Step};

/// Key of the inspection among the facts of the layer.
const INSPECTION: &str = "inspection";

/// Lets the installer make the disk, unless the store has it. Returns the file systems of the disk.
pub(super) fn install(
    plan: &Plan,
    step: &Step,
    slot: Option<Slot>,
    session: &mut Session<'_>,
) -> Result<Vec<Mount>, BuildError> {
    let BasePlan::Installer(installer) = &plan.base else { return Ok(Vec::new()) };
    let Some(mut slot) = slot else { return mounts(plan, step, session) };
    let workshop = session.workshop;
    let started = Instant::now();
    slot.create_overlay(&Parent::None, plan.disk.size)?;
    let request = InstallRequest {
        plan: installer,
        arch: plan.arch,
        secrets: &workshop.secrets,
        proxy: workshop.network.proxies.http.as_ref().map(|proxy| proxy.reveal()),
        target: slot.disk_path(),
    };
    session.install(&request).map_err(|error| match error {
        InstallError::Interrupted => BuildError::Interrupted,
        error => BuildError::Install(Box::new(error)),
    })?;
    let inspection = inspect(plan, slot.disk_path(), session)?;
    check(installer, plan, &inspection)?;
    let elapsed = started.elapsed();
    let facts = serde_json::json!({ INSPECTION: inspection });
    session.commit(slot, new_layer(plan, step, elapsed, Found { facts, extras: Vec::new() }))?;
    workshop.reporter.report(&Event::StepFinished { step: step.id.clone(), elapsed });
    Ok(inspection.mounts)
}

/// Returns the file systems of an installed disk in the store.
fn mounts(plan: &Plan, step: &Step, session: &mut Session<'_>) -> Result<Vec<Mount>, BuildError> {
    let layer = session.workshop.store.find(&step.key)?.ok_or(BuildError::Vanished(step.key))?;
    match serde_json::from_value::<Inspection>(layer.meta.facts[INSPECTION].clone()) {
        Ok(inspection) => Ok(inspection.mounts),
        // An earlier version may have described it otherwise.
        Err(_) => Ok(inspect(plan, &layer.disk, session)?.mounts),
    }
}

/// Inspects an installed disk, on a temporary overlay.
fn inspect(plan: &Plan, disk: &std::path::Path, session: &mut Session<'_>) -> Result<Inspection, BuildError> {
    let overlay = session.workshop.scratch.join("inspect.qcow2");
    let made = QemuImg::default().create_overlay(&overlay, disk, Format::Qcow2, plan.disk.size.get());
    made.map_err(|error| BuildError::NotInstalled { reason: format!("its disk cannot be opened: {error}") })?;
    session.inspect(&overlay).map_err(|error| match error {
        BuildError::Guest { source: source @ GuestError::Call { .. }, .. } => {
            BuildError::NotInstalled { reason: format!("no system was found on the disk: {source}") }
        }
        error => error,
    })
}

/// Checks that the installer has installed what the recipe says, because elements were chosen for that.
fn check(installer: &InstallerPlan, plan: &Plan, found: &Inspection) -> Result<(), BuildError> {
    let wrong = |reason| Err(BuildError::NotInstalled { reason });
    let wanted = &plan.distro;
    // The first id is that of the system; the others are of those that it is like.
    let own = found.ids.first().unwrap_or(&found.distro);
    if *own != wanted.name && found.distro != wanted.name {
        return wrong(format!("it installed {}, and the recipe says {}", found.product, wanted.name));
    }
    let is_version = found.version == wanted.version || found.version.starts_with(&format!("{}.", wanted.version));
    if !is_version && found.codename.as_ref() != Some(&wanted.release) {
        return wrong(format!(
            "it installed {}, and the recipe says {} {}",
            found.product, wanted.name, wanted.release
        ));
    }
    if found.arch != plan.arch.name() {
        return wrong(format!("it installed a system for {}, and the recipe is for {}", found.arch, plan.arch.name()));
    }
    let firmware = installer.base.source.firmware(plan.arch);
    if !found.firmware.contains(&firmware) {
        return wrong(format!(
            "nothing on the disk starts under {}, the firmware of the installer's machine",
            firmware.name()
        ));
    }
    Ok(())
}
