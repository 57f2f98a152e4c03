//! From a final disk to files that people use.
//!
//! `<out>/<name>.<ext>` for every output, `SHA256SUMS`, `manifest.json`. Each is written under a name of its
//! own beside its place, and appears there whole or not at all. The manifest comes last: it vouches for the rest.

pub mod manifest;

use std::fs::TryLockError;
use std::io::{self, Read};
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::{Duration, Instant};

use serde::{Deserialize, Serialize};

use crate::build::FinalDisk;
use crate::digest::Sha256;
use crate::disk::qemu_img::{Conversion, QemuImg, QemuImgError};
use crate::event::{Event, Reporter};
use crate::fsx::{IoContext as _, PathError, available_bytes, write_atomic};
use crate::interrupt::Interrupt;
use crate::plan::Plan;
use crate::recipe::{Compression, Format, Output};
use crate::units::ByteSize;

/// How long the wait for another export sleeps between looks.
const POLL: Duration = Duration::from_millis(100);

/// File with the checksums of all artifacts, in the form of sha256sum(1).
pub const SUMS: &str = "SHA256SUMS";

/// An exported file.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Artifact {
    /// File name, within the output directory.
    pub file: String,
    /// Disk format.
    pub format: Format,
    /// Compression of a qcow2 file.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub compression: Option<Compression>,
    /// Size in bytes. A raw file may occupy less on the disk.
    pub size: u64,
    /// Digest of the file.
    pub sha256: Sha256,
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
    /// It could not be found out how much data is on the disk.
    #[error("cannot read the final disk")]
    Measure(#[source] QemuImgError),
    /// The disk could not be converted.
    #[error("cannot make {file}")]
    Convert {
        /// File name of the artifact.
        file: String,
        /// What qemu-img said.
        #[source]
        source: QemuImgError,
    },
    /// A file could not be read or written.
    #[error(transparent)]
    File(#[from] PathError),
    /// The user asked to stop.
    #[error("interrupted")]
    Interrupted,
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
    if let Some(artifacts) = current(plan, disk, dir) {
        return Ok(Exported { dir: dir.to_owned(), artifacts, unchanged: true });
    }
    remove_stale(dir)?;
    let tool = QemuImg::default();
    let data = tool.measure(&disk.layer.disk).map_err(ExportError::Measure)?;
    // Compression only makes it less. What the new artifacts replace stays until they are whole.
    let needed = data.saturating_mul(plan.outputs.len() as u64);
    let free = available_bytes(dir)?;
    if free < needed {
        return Err(ExportError::NoSpace { dir: dir.to_owned(), free, needed });
    }
    let mut finished = Vec::new();
    for output in &plan.outputs {
        let (artifact, part) = convert(&Source { plan, disk, data }, dir, output, &tool, reporter, interrupt)?;
        finished.push((artifact, part));
    }
    let mut artifacts = Vec::new();
    for (artifact, part) in finished {
        let path = dir.join(&artifact.file);
        part.persist(&path).map_err(|error| error.error).at(&path)?;
        artifacts.push(artifact);
    }
    let sums: String =
        artifacts.iter().flat_map(|artifact| [artifact.sha256.to_string(), format!("  {}\n", artifact.file)]).collect();
    write_atomic(&dir.join(SUMS), sums.as_bytes())?;
    let manifest = manifest::Manifest::new(plan, disk, recipe, &artifacts, &tool);
    write_atomic(&dir.join(manifest::FILE), &manifest.to_json())?;
    Ok(Exported { dir: dir.to_owned(), artifacts, unchanged: false })
}

/// File name of an output.
pub fn file_name(name: &str, format: Format) -> String {
    format!("{name}.{}", format.extension())
}

/// What is exported.
struct Source<'a> {
    plan: &'a Plan,
    disk: &'a FinalDisk,
    /// Bytes of data on the disk.
    data: u64,
}

fn convert(
    &Source { plan, disk, data }: &Source<'_>,
    dir: &Path,
    output: &Output,
    tool: &QemuImg,
    reporter: &Arc<dyn Reporter>,
    interrupt: &Interrupt,
) -> Result<(Artifact, tempfile::TempPath), ExportError> {
    let file = file_name(&plan.name, output.format);
    let compression = compression(output);
    let part = tempfile::Builder::new().prefix(PART_PREFIX).suffix(&format!("-{file}")).tempfile_in(dir).at(dir)?;
    let part = part.into_temp_path();
    let activity = format!("export {file}");
    let started = Instant::now();
    reporter.report(&Event::ActivityStarted { activity: activity.clone() });
    let conversion = Conversion {
        source: &disk.layer.disk,
        source_format: Format::Qcow2,
        target: &part,
        target_format: output.format,
        compression: compression.unwrap_or(Compression::None),
    };
    tool.convert(&conversion, interrupt, |share| {
        // qemu-img tells shares of the work; people want bytes.
        let done = (data as f64 * share) as u64;
        reporter.report(&Event::Progress { activity: activity.clone(), done, total: Some(data) });
    })
    .map_err(|source| match source {
        source if source.is_interrupted() => ExportError::Interrupted,
        source => ExportError::Convert { file: file.clone(), source },
    })?;
    let opened = std::fs::File::open(&part).at(&part)?;
    let size = opened.metadata().at(&part)?.len();
    let sha256 = Sha256::of_reader(Interruptible { file: &opened, interrupt }).map_err(|source| {
        if interrupt.is_raised() {
            ExportError::Interrupted
        } else {
            PathError { path: part.to_path_buf(), source }.into()
        }
    })?;
    opened.sync_all().at(&part)?;
    let mode = std::os::unix::fs::PermissionsExt::from_mode(0o644);
    opened.set_permissions(mode).at(&part)?;
    reporter.report(&Event::ActivityFinished { activity, elapsed: started.elapsed() });
    Ok((Artifact { file, format: output.format, compression, size, sha256 }, part))
}

/// How an output is compressed; `None` if its format knows no compression.
fn compression(output: &Output) -> Option<Compression> {
    match output.format {
        Format::Qcow2 => Some(output.compression.unwrap_or(Compression::Zstd)),
        Format::Raw => None,
    }
}

/// A file whose reading ends with an error once the user asks to stop.
struct Interruptible<'a> {
    file: &'a std::fs::File,
    interrupt: &'a Interrupt,
}

impl Read for Interruptible<'_> {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        if self.interrupt.is_raised() {
            return Err(io::Error::other("interrupted"));
        }
        self.file.read(buffer)
    }
}

/// Keeps other exports out of a directory, for as long as the result lives; waits for the one that is there.
fn lock(dir: &Path, interrupt: &Interrupt) -> Result<std::fs::File, ExportError> {
    let opened = std::fs::File::open(dir).at(dir)?;
    loop {
        match opened.try_lock() {
            Ok(()) => return Ok(opened),
            Err(TryLockError::WouldBlock) if interrupt.is_raised() => return Err(ExportError::Interrupted),
            Err(TryLockError::WouldBlock) => std::thread::sleep(POLL),
            Err(TryLockError::Error(source)) => return Err(PathError { path: dir.to_owned(), source }.into()),
        }
    }
}

/// Beginning of the names of files that are not whole yet.
const PART_PREFIX: &str = ".goldsmith-";

/// Removes what a build that was killed had begun in the output directory.
fn remove_stale(dir: &Path) -> Result<(), PathError> {
    for entry in std::fs::read_dir(dir).at(dir)? {
        let path = entry.at(dir)?.path();
        let stale = path.file_name().is_some_and(|name| name.to_string_lossy().starts_with(PART_PREFIX));
        if stale {
            std::fs::remove_file(&path).at(&path)?;
        }
    }
    Ok(())
}

/// The artifacts that are there, if all are what this export would make.
///
/// They are if the manifest names the same final layer and the same outputs, and no file has been changed
/// since the manifest was written, by size and time of change. Their content is not read again.
fn current(plan: &Plan, disk: &FinalDisk, dir: &Path) -> Option<Vec<Artifact>> {
    let path = dir.join(manifest::FILE);
    let manifest: manifest::Summary = serde_json::from_slice(&std::fs::read(&path).ok()?).ok()?;
    let written = std::fs::metadata(&path).ok()?.modified().ok()?;
    let wanted: Vec<_> = plan.outputs.iter().map(|output| (file_name(&plan.name, output.format), output)).collect();
    let same = manifest.layer == disk.layer.key
        && manifest.artifacts.len() == wanted.len()
        && dir.join(SUMS).is_file()
        && manifest.artifacts.iter().zip(&wanted).all(|(artifact, (file, output))| {
            let unchanged = std::fs::metadata(dir.join(file))
                .and_then(|meta| Ok(meta.len() == artifact.size && meta.modified()? <= written));
            artifact.file == *file && artifact.compression == compression(output) && unchanged.unwrap_or(false)
        });
    same.then_some(manifest.artifacts)
}
