//! Encrypted file systems of a disk: they are locked while the steps run, so that only the first layer needs their keys.

use super::error::{BuildError, During as _, with_causes};
use super::session::Session;
use crate::disk::DiskLayout;
use crate::disk::qemu_img::QemuImg;
use crate::guest::{Guest, GuestError};
use crate::image::Format;
use crate::plan::Plan;
use crate::recipe::partitions::{FileSystem, Partition};

/// Makes sure that the secrets open the encrypted file systems of a first layer that was found. The values of secrets are no part of its key.
pub(super) fn open_with(plan: &Plan, session: &mut Session<'_>) -> Result<(), BuildError> {
    if encrypted(plan).next().is_none() {
        return Ok(());
    }
    let step = &plan.steps[0];
    let opens = DiskLayout::new(&plan.disk, plan.arch, step.key.digest())?.opens();
    let workshop = session.workshop();
    let layer = workshop.store.find(&step.key)?.ok_or(BuildError::Vanished(step.key))?;
    let overlay = workshop.scratch.join("locked.qcow2");
    QemuImg::default()
        .create_overlay(&overlay, &layer.disk, Format::Qcow2, plan.disk.size.get())
        .map_err(|error| BuildError::Extract(with_causes(&error)))?;
    let guest = session.guest()?;
    guest.attach(&overlay).during("attach the disk")?;
    guest.form(&opens, &workshop.secrets).during("open the encrypted file systems")
}

/// Finds a file of the mounted image that an encrypted file system will hide: the path, and the directory of the file system.
pub(super) fn hidden(plan: &Plan, guest: &mut dyn Guest) -> Result<Option<(String, String)>, GuestError> {
    for files in encrypted(plan) {
        for pattern in ["*", ".?*"] {
            let found = guest.glob(&format!("{}/{pattern}", files.mount))?;
            if let Some(path) = found.into_iter().find(|path| !path.ends_with("/..")) {
                return Ok(Some((path, files.mount.clone())));
            }
        }
    }
    Ok(None)
}

fn encrypted(plan: &Plan) -> impl Iterator<Item = &FileSystem> {
    plan.disk.partitions.iter().flat_map(Partition::file_systems).filter(|files| files.encrypted.is_some())
}
