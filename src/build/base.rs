//! Makes the layer of the first step: bootstraps it from packages, unpacks a tree, or opens a base image and grows it.

use std::collections::BTreeSet;
use std::path::Path;
use std::time::Instant;

use super::disk::OpenedImage;
use super::error::BuildError;
use super::new_layer::{Found, new_layer};
use super::session::Session;
use super::workshop::Workshop;
use crate::base::{BootstrapError, BootstrapRequest, TreeRequest, unpack};
use crate::disk::DiskLayout;
use crate::distro::mechanism::PackageManager;
use crate::event::Event;
use crate::guest::Mount;
use crate::guest::grow::{self, Growth};
use crate::interrupt::Interrupt;
use crate::layer::Slot;
use crate::plan::{BasePlan, Plan, Step};

/// Makes the base from packages or from a tree, natively, while the guest is launched.
pub(super) fn make(plan: &Plan, step: &Step, slot: Slot, session: &mut Session<'_>) -> Result<(), BuildError> {
    let workshop = session.workshop;
    let started = Instant::now();
    // If one of the two fails, it ends the other.
    let both = Interrupt::new();
    let raised = both.clone();
    workshop.interrupt.on_raise(move || raised.raise());
    let target = slot.disk_path();
    let (made, mut launched) = std::thread::scope(|scope| {
        let made = scope.spawn(|| {
            let made = match &plan.base {
                BasePlan::Tree { .. } => unpack_tree(plan, step, target, workshop, &both),
                BasePlan::Bootstrap { .. } | BasePlan::Image { .. } | BasePlan::Installer(_) => {
                    bootstrap(plan, step, target, workshop, &both)
                }
            };
            made.inspect_err(|_| both.raise())
        });
        let launched = session.launch(&both).inspect_err(|_| both.raise());
        (made.join().unwrap_or_else(|panic| std::panic::resume_unwind(panic)), launched)
    });
    if workshop.interrupt.is_raised() {
        return Err(BuildError::Interrupted);
    }
    match made {
        Ok(()) => {}
        Err(BootstrapError::PackageNotFound { packages }) => {
            let wanted = packages.into_iter().map(|package| {
                // Some packages belong to every tree of the distribution.
                let data = || vec![format!("the data of {}", plan.distro.name)];
                let wanted_by = plan.packages.get(&package).cloned().unwrap_or_else(data);
                format!("{package} (wanted by {})", wanted_by.join(", "))
            });
            return Err(BuildError::PackageNotFound(wanted.collect()));
        }
        // The bootstrap was stopped because the guest could not be launched.
        Err(BootstrapError::Interrupted) => return launched.and(Err(BuildError::Interrupted)),
        Err(error) => return Err(BuildError::Bootstrap(Box::new(error))),
    }
    let formed = DiskLayout::new(&plan.disk, plan.arch, step.key.digest())?.formed(slot.directory());
    if !formed.is_empty() {
        launched?;
        session.form(&slot, &formed)?;
        launched = Ok(());
    }
    let elapsed = started.elapsed();
    session.commit(slot, new_layer(plan, step, elapsed, Found::default()))?;
    // The base is complete, even if the guest failed.
    launched?;
    workshop.reporter.report(&Event::StepFinished { step: step.id.clone(), elapsed });
    Ok(())
}

/// Makes the disk of packages.
fn bootstrap(
    plan: &Plan,
    step: &Step,
    target: &Path,
    workshop: &Workshop,
    interrupt: &Interrupt,
) -> Result<(), BootstrapError> {
    let (BasePlan::Bootstrap { source, repositories }, Some(how)) = (&plan.base, &plan.os.bootstrap) else {
        return Ok(());
    };
    let packages: BTreeSet<_> = plan.packages.keys().chain(&how.packages).cloned().collect();
    let packages: Vec<_> = packages.into_iter().collect();
    let request = BootstrapRequest {
        distro: &source.distro,
        how,
        release: &source.release,
        arch: plan.arch,
        keyring: source.keyring.as_deref().map(Path::new),
        allow_expired: source.allow_expired,
        client_certificate: source.client_certificate.as_ref().and_then(|name| Some(&**workshop.secrets.get(name)?)),
        certificate_authority: source.certificate_authority.as_deref().map(Path::new),
        repositories,
        packages: &packages,
        disk: &plan.disk,
        seed: *step.key.digest(),
        target,
        cache_dir: &workshop.cache,
    };
    (workshop.bootstrap)(&request, &*workshop.reporter, interrupt)
}

/// Makes the disk of a tree.
fn unpack_tree(
    plan: &Plan,
    step: &Step,
    target: &Path,
    workshop: &Workshop,
    interrupt: &Interrupt,
) -> Result<(), BootstrapError> {
    let BasePlan::Tree { files, sha256, .. } = &plan.base else { return Ok(()) };
    let request = TreeRequest {
        source: files,
        digest: *sha256,
        arch: plan.arch,
        kernel_arguments: matches!(plan.os.mechanisms.packages, PackageManager::Dnf | PackageManager::Zypper),
        disk: &plan.disk,
        seed: *step.key.digest(),
        target,
        cache_dir: &workshop.cache,
    };
    unpack(&request, &*workshop.reporter, interrupt)
}

/// What grows on an image whose disk becomes as large as the plan's; nothing if it is as large.
pub(super) fn growth(plan: &Plan, image: &OpenedImage) -> Growth {
    let size = plan.disk.size.get();
    if image.virtual_size < size { grow::plan(&image.inspection, size) } else { Growth::default() }
}

/// Opens an image as the base, and grows it to the size of the disk.
pub(super) fn open_image(
    plan: &Plan,
    step: &Step,
    slot: Slot,
    image: &OpenedImage,
    mounts: &[Mount],
    session: &mut Session<'_>,
) -> Result<(), BuildError> {
    let started = Instant::now();
    session.open(slot, &image.file, plan, &growth(plan, image).steps, mounts)?;
    session.finish_step(plan, step, started, Found::default());
    Ok(())
}
