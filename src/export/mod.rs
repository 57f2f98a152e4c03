//! From a final disk to files that people use.
//!
//! A file for every output, `SHA256SUMS`, `manifest.json`. Each is written under a name of its own beside its
//! place, and appears there whole or not at all. The manifest comes last: it vouches for the rest.

mod disks;
mod folder;
pub mod manifest;
pub mod origin;
mod trees;

use std::io;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use serde::{Deserialize, Serialize};
use serde_json::{Value, json};

use crate::build::FinalDisk;
use crate::disk::qemu_img::QemuImg;
use crate::event::{Event, Reporter};
use crate::fsx::{Access, IoContext as _, NewFile, PathError, available_bytes, write_atomic};
use crate::image::digests::{Checksum, Digests, Kinds};
use crate::image::read::OpenError;
use crate::image::{Encoding, Output, OutputError, Written};
use crate::interrupt::Interrupt;
use crate::plan::Plan;
use crate::process::ProcessError;
use crate::units::ByteSize;
use disks::Opened;
use folder::{lock, remove_stale};
use manifest::{Summary, Verified};
use trees::Trees;

/// An exported file.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Artifact {
    /// File name, within the output directory.
    pub file: String,
    /// What was asked for.
    #[serde(flatten)]
    pub output: Output,
    /// `disk_format` of the image service, if it has one for the file.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub disk_format: Option<String>,
    /// `container_format` of the image service.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub container_format: Option<String>,
    /// Size in bytes. A raw file may occupy less on the disk.
    pub size: u64,
    /// Digests of the file.
    #[serde(flatten)]
    pub digests: Digests,
}

impl Artifact {
    fn new(file: &str, output: &Output, written: Written) -> Self {
        // A file that is compressed as a whole is nothing that an image service can open; a fixed VHD has no
        // header, so that its inspector takes it for a raw disk and refuses it as a VHD.
        let strange = matches!(
            output.encoding(),
            Ok(Encoding::Raw(Some(_)) | Encoding::Tar(Some(_)) | Encoding::VhdFixed) | Err(_)
        );
        let glance = output.format.facts().glance.filter(|_| !strange);
        Self {
            file: file.to_owned(),
            output: Output { file: None, ..output.clone() },
            disk_format: glance.map(|(disk, _)| disk.to_owned()),
            container_format: glance.map(|(_, container)| container.to_owned()),
            size: written.size,
            digests: written.digests,
        }
    }
}

/// Artifacts of one image, all of them complete.
#[derive(Debug, Clone)]
pub struct Exported {
    /// Directory they are in.
    pub dir: PathBuf,
    /// The files.
    pub artifacts: Vec<Artifact>,
    /// Whether they were there already, made from the same disk.
    pub unchanged: bool,
}

/// An export that failed. What was in the output directory before is still there.
#[derive(Debug, thiserror::Error)]
pub enum ExportError {
    /// The output directory's file system has too little room.
    #[error("{} has {} free, and the artifacts may need {}", dir.display(), ByteSize::bytes(*free), ByteSize::bytes(*needed))]
    NoSpace {
        /// Output directory.
        dir: PathBuf,
        /// Bytes free.
        free: u64,
        /// Bytes that may be needed.
        needed: u64,
    },
    /// An output cannot be made of this disk.
    #[error("cannot make {file}: {reason}")]
    Misfit {
        /// File name of the artifact.
        file: String,
        /// Why not.
        reason: String,
    },
    /// A program that makes an output is not installed.
    #[error("cannot make {file}: {tool} is not installed (package {package})")]
    MissingTool {
        /// File name of the artifact.
        file: String,
        /// The program.
        tool: &'static str,
        /// The Debian package that has it.
        package: &'static str,
    },
    /// A program that makes an output failed.
    #[error("cannot make {file}")]
    Tool {
        /// File name of the artifact.
        file: String,
        /// What became of it.
        #[source]
        source: ProcessError,
    },
    /// The final disk cannot be opened.
    #[error("cannot read the final disk")]
    Open(#[source] OpenError),
    /// Reading the final disk failed.
    #[error("cannot read the final disk")]
    Read(#[source] io::Error),
    /// A file could not be written.
    #[error("cannot make {file}")]
    Write {
        /// File name of the artifact.
        file: String,
        /// Why.
        #[source]
        source: io::Error,
    },
    /// A file could not be read or written.
    #[error(transparent)]
    File(#[from] PathError),
    /// The output directory has a file of this name that no export has written.
    #[error("{} was not written by goldsmith, and would be replaced", path.display())]
    Foreign {
        /// The file.
        path: PathBuf,
    },
    /// The user asked to stop.
    #[error("interrupted")]
    Interrupted,
}

/// An artifact that is complete but for its name.
struct Finished {
    artifact: Artifact,
    part: Part,
}

/// A file on its way to its name.
#[derive(Debug)]
struct Part {
    /// The name it will have.
    file: String,
    new: NewFile,
}

impl Part {
    fn new(dir: &Path, file: String) -> Result<Self, PathError> {
        let new = NewFile::create(&dir.join(&file), Access::Umask)?;
        Ok(Self { file, new })
    }
}

/// Refuses an output directory in which an export would take the names of other programs' files. `reports` are files that
/// will be written beside the manifest.
///
/// # Errors
///
/// [`ExportError::Foreign`] names the file.
pub fn check(plan: &Plan, dir: &Path, reports: &[&str]) -> Result<(), ExportError> {
    let artifacts: Vec<_> = plan.outputs.iter().map(|output| output.file_name(&plan.name)).collect();
    folder::check(dir, &artifacts, reports)
}

/// Makes the artifacts of a plan from its final disk, unless they are there.
pub fn export(
    plan: &Plan,
    disk: &FinalDisk,
    dir: &Path,
    recipe: &manifest::RecipeInfo,
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
        if let Some(reason) = output.format.misfit(opened.size()) {
            return Err(ExportError::Misfit { file: file.clone(), reason });
        }
        if *encoding == Encoding::VhdFixed && !opened.size().is_multiple_of(ByteSize::MIB) {
            let message = format!("{file} is rounded up to whole MiB, which Azure asks for");
            reporter.report(&Event::Warning { message });
        }
    }
    // Compression only makes it less. What the new artifacts replace stays until they are whole.
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
    finished.extend(opened.write(plan, disks, kinds(plan), reporter, interrupt)?);
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

/// Writes into the manifest what verifying found, if the artifacts are still the ones that were verified.
///
/// # Errors
///
/// What keeps the manifest from being read or written.
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
        // Another build has replaced them since.
        _ => Ok(()),
    }
}

/// Every output with its file name and encoding, in the order of the plan.
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

/// Digests that a plan asks for.
fn kinds(plan: &Plan) -> Kinds {
    Kinds { sha512: plan.checksums.contains(&Checksum::Sha512), md5: plan.checksums.contains(&Checksum::Md5) }
}

/// Content of a file of checksums in the form of sha256sum(1), if all artifacts have that checksum.
pub(crate) fn sums(artifacts: &[Artifact], checksum: Checksum) -> Option<String> {
    let lines = artifacts
        .iter()
        .map(|artifact| artifact.digests.get(checksum).map(|digest| format!("{digest}  {}\n", artifact.file)));
    lines.collect()
}

/// The manifest that is there, if its artifacts are all what this export would make.
///
/// They are if the manifest names the same final layer and the same outputs, and no file has been changed
/// since the manifest was written, by size and time of change. Their content is not read again.
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

#[cfg(test)]
mod tests {
    use super::*;
    use crate::image::digests::Hasher;

    #[test]
    fn artifacts_have_a_name_for_the_image_service_if_it_takes_them() {
        for (output, names) in [
            (r#"{"format":"qcow2"}"#, Some(("qcow2", "bare"))),
            (r#"{"format":"ova"}"#, Some(("vmdk", "ova"))),
            (r#"{"format":"vhd"}"#, Some(("vhd", "bare"))),
            (r#"{"format":"vhd","subformat":"fixed"}"#, None),
            (r#"{"format":"raw","compression":"xz"}"#, None),
            (r#"{"format":"squashfs"}"#, None),
        ] {
            let written = Written { size: 1, digests: Hasher::new(Kinds::default()).finish() };
            let artifact = Artifact::new("file", &serde_json::from_str(output).expect("an output"), written);
            let told = artifact.disk_format.as_deref().zip(artifact.container_format.as_deref());
            assert_eq!(told, names, "{output}");
            let text = serde_json::to_string(&artifact).expect("JSON");
            assert_eq!(serde_json::from_str::<Artifact>(&text).expect("JSON"), artifact, "{text}");
        }
    }
}
