//! The stage that makes artifacts from a final disk.

use std::path::Path;
use std::sync::Arc;

use serde_json::{Value, json};

use super::disks::Opened;
use super::earlier::{Earlier, Past};
use super::folder::{lock, remove_stale};
use super::manifest::{Summary, Verified};
use super::trees::Trees;
use crate::build::FinalDisk;
use crate::disk::qemu_img::QemuImg;
use crate::event::{Event, Reporter};
use crate::fsx::{IoContext as _, available_bytes, write_atomic};
use crate::image::digests::{Checksum, Kinds};
use crate::image::{Encoding, Output, OutputError};
use crate::interrupt::Interrupt;
use crate::plan::Plan;

use super::artifact::{Exported, Finished, Part, sums};
use super::error::ExportError;
use super::{folder, manifest};

/// Refuses an output directory in which an export would overwrite files of other programs. `reports` are the files that will be
/// written beside the manifest.
///
/// # Errors
///
/// [`ExportError::Foreign`], with the file.
pub fn check(plan: &Plan, dir: &Path, reports: &[&str]) -> Result<(), ExportError> {
    let artifacts: Vec<_> = plan.outputs.iter().map(|output| output.file_name(&plan.name)).collect();
    folder::check(dir, &artifacts, reports)
}

/// Makes the artifacts of a plan from its final disk, unless they are up to date. With `past`, takes over what the artifacts in
/// the directory have in common with the new ones.
pub fn export(
    plan: &Plan,
    disk: &FinalDisk,
    dir: &Path,
    recipe: &manifest::RecipeInfo,
    past: Option<Past<'_>>,
    reporter: &Arc<dyn Reporter>,
    interrupt: &Interrupt,
) -> Result<Exported, ExportError> {
    std::fs::create_dir_all(dir).at(dir)?;
    let _lock = lock(dir, interrupt)?;
    let wanted = wanted(plan)?;
    if let Some(manifest) = current(plan, disk, dir) {
        manifest.refresh(dir, plan)?;
        return Ok(Exported { dir: dir.to_owned(), artifacts: manifest.artifacts, unchanged: true });
    }
    check(plan, dir, &[])?;
    remove_stale(dir, wanted.iter().map(|(file, ..)| file.as_str()))?;
    let opened = Opened::new(disk)?;
    for (file, output, encoding) in &wanted {
        if let Some(reason) = output.format.traits().misfit(opened.size()) {
            return Err(ExportError::Misfit { file: file.clone(), reason });
        }
        if encoding.stored_size(opened.size()) != opened.size() {
            let message = format!("{file} is rounded up to whole MiB, which Azure asks for");
            reporter.report(&Event::Warning { message });
        }
    }
    // Compression only reduces this. The old artifacts need room too, until the new ones are complete.
    let needed = opened.data().saturating_mul(wanted.len() as u64);
    let free = available_bytes(dir)?;
    if free < needed {
        return Err(ExportError::NoSpace { dir: dir.to_owned(), free, needed });
    }
    let (mut disks, mut finished) = (Vec::new(), Vec::new());
    let trees = Trees { plan, disk, kinds: kinds(plan), reporter, interrupt };
    for (file, output, encoding) in wanted {
        let part = Part::new(dir, file)?;
        if output.format.is_disk() {
            disks.push((output, encoding, part));
        } else {
            finished.push(trees.write(output, encoding, part)?);
        }
    }
    let earlier = past.and_then(|past| Earlier::find(past, dir, disk));
    finished.extend(opened.write(plan, disks, kinds(plan), earlier.as_ref(), reporter, interrupt)?);
    let place =
        |finished: &Finished| plan.outputs.iter().position(|output| output.file_name(&plan.name) == finished.part.file);
    finished.sort_by_key(place);
    let artifacts: Vec<_> = finished.iter().map(|finished| finished.artifact.clone()).collect();
    for finished in &finished {
        finished.part.new.settle()?;
    }
    for finished in finished {
        finished.part.new.persist()?;
    }
    for checksum in Checksum::ALL {
        let path = dir.join(checksum.file());
        match sums(&artifacts, checksum) {
            Some(sums) => write_atomic(&path, sums.as_bytes())?,
            None if path.exists() => std::fs::remove_file(&path).at(&path)?,
            None => {}
        }
    }
    let manifest = manifest::Manifest::new(plan, disk, recipe, &artifacts, &QemuImg::default());
    write_atomic(&dir.join(manifest::FILE), &manifest.to_json())?;
    Ok(Exported { dir: dir.to_owned(), artifacts, unchanged: false })
}

/// Writes the result of verification into the manifest, if the verified artifacts are still there.
///
/// # Errors
///
/// If the manifest cannot be read or written.
pub fn verified(
    exported: &Exported,
    facts: Value,
    verified: Verified,
    interrupt: &Interrupt,
) -> Result<(), ExportError> {
    let _lock = lock(&exported.dir, interrupt)?;
    match Summary::read(&exported.dir) {
        Some(manifest) if manifest.artifacts == exported.artifacts => {
            Ok(manifest::amend(&exported.dir, [("facts", facts), ("verified", json!(verified))])?)
        }
        // Another build has replaced the artifacts.
        _ => Ok(()),
    }
}

/// Returns every output with its file name and encoding, in the order of the plan.
fn wanted(plan: &Plan) -> Result<Vec<(String, &Output, Encoding)>, ExportError> {
    plan.outputs
        .iter()
        .map(|output| {
            let file = output.file_name(&plan.name);
            match output.encoding() {
                Ok(encoding) => Ok((file, output, encoding)),
                Err(OutputError { message, .. }) => Err(ExportError::Misfit { file, reason: message }),
            }
        })
        .collect()
}

/// Returns the digests that a plan needs.
fn kinds(plan: &Plan) -> Kinds {
    Kinds { sha512: plan.checksums.contains(&Checksum::Sha512), md5: plan.checksums.contains(&Checksum::Md5) }
}

/// Returns the manifest in the directory if its artifacts are those of this export.
///
/// The manifest must have the same final layer and the same outputs. By size and modification time, no file may have changed
/// since the manifest was written. The content of the files is not read.
fn current(plan: &Plan, disk: &FinalDisk, dir: &Path) -> Option<Summary> {
    let manifest = Summary::read(dir)?;
    let written = std::fs::metadata(dir.join(manifest::FILE)).ok()?.modified().ok()?;
    let checksums: Vec<_> = Checksum::ALL.into_iter().filter(|checksum| kinds(plan).has(*checksum)).collect();
    let same = manifest.layer == disk.layer.key
        && manifest.artifacts.len() == plan.outputs.len()
        && checksums.iter().all(|checksum| dir.join(checksum.file()).is_file())
        && manifest.artifacts.iter().zip(&plan.outputs).all(|(artifact, output)| {
            let unchanged = std::fs::metadata(dir.join(&artifact.file))
                .and_then(|meta| Ok(meta.len() == artifact.size && meta.modified()? <= written));
            artifact.file == output.file_name(&plan.name)
                && artifact.output == Output { file: None, ..output.clone() }
                && Checksum::ALL
                    .into_iter()
                    .all(|kind| artifact.digests.get(kind).is_some() == checksums.contains(&kind))
                && unchanged.unwrap_or(false)
        });
    same.then_some(manifest)
}
