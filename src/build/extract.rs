//! Extracts from the final disk what outputs need besides its blocks: the tree of files, the kernel and its arguments. Also runs
//! the [`Examiner`], with which a caller checks the disk.
//!
//! This happens while the guest still runs, and the files are stored beside the final layer. If that layer was made for other
//! outputs, a guest is launched again.

use std::path::Path;

use serde::{Deserialize, Serialize};
use serde_json::{Map, Value, json};

use super::disk::BuiltDisk;
use super::error::{BuildError, During as _, with_causes};
use super::facts::{LOOK, PACKAGES};
use super::session::Session;
use crate::base::Package;
use crate::disk::qemu_img::QemuImg;
use crate::event::Event;
use crate::guest::{Guest, GuestError, Mount, MountSource};
use crate::image::{Content, Format, Output};
use crate::inspect;
use crate::layer::{Extra, Extracted, Layer};
use crate::plan::Plan;

/// Key of [`BootFacts`] among the facts of the final layer.
pub const BOOT: &str = "boot";

/// The facts that are needed to boot the image without its boot loader.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct BootFacts {
    /// Path of the kernel in the image; `null` if there is none.
    pub kernel: Option<String>,
    /// Path of the kernel's initial RAM disk; `null` if there is none.
    pub initrd: Option<String>,
    /// Arguments that the image's boot loader gives to the kernel, in order.
    pub args: Vec<String>,
    /// Place of the root file system on the disk; `null` if it is not directly on a partition.
    pub root: Option<Range>,
}

/// A part of a disk, in bytes.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct Range {
    /// First byte.
    pub start: u64,
    /// Length.
    pub size: u64,
}

/// Key of an [`Examined`] among the facts of the final layer.
const EXAMINATION: &str = "examination";

/// Examines a mounted disk, with its mounts and its installed packages.
pub type Examine<'a> = dyn Fn(&mut dyn Guest, &[Mount], &[Package]) -> Result<Value, GuestError> + 'a;

/// An examiner of the final disk, which runs while the guest still runs. The result is stored with the layer.
pub struct Examiner<'a> {
    /// The key of the examination: results with another key are not used.
    pub key: String,
    /// Examines the disk.
    pub examine: Box<Examine<'a>>,
}

impl std::fmt::Debug for Examiner<'_> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Examiner").field("key", &self.key).finish_non_exhaustive()
    }
}

/// The result of an examiner, as it is stored.
#[derive(Debug, Serialize, Deserialize)]
struct Examined {
    key: String,
    found: Value,
}

/// The needs of outputs and of the examiner.
#[derive(Debug, Clone, Copy)]
pub(super) struct Needs<'a> {
    tree: bool,
    boot: bool,
    examiner: Option<&'a Examiner<'a>>,
}

impl<'a> Needs<'a> {
    pub(super) fn of(outputs: &[Output], examiner: Option<&'a Examiner<'a>>) -> Self {
        let any = |wanted: &[Content]| outputs.iter().any(|output| wanted.contains(&output.format.traits().content));
        Self { tree: any(&[Content::Tree]), boot: any(&[Content::RootPartition, Content::BootFile]), examiner }
    }

    /// Returns whether a layer has everything that is needed.
    pub(super) fn are_met_by(self, layer: &Layer) -> bool {
        let kept = |extra| layer.extra(extra).is_some();
        let boot = || {
            boot_facts(layer).is_some_and(|facts| {
                (facts.kernel.is_none() || kept(Extra::Kernel)) && (facts.initrd.is_none() || kept(Extra::Initrd))
            })
        };
        let examined = |examiner: &Examiner<'_>| examination(layer, &examiner.key).is_some();
        (!self.tree || kept(Extra::Tree)) && (!self.boot || boot()) && self.examiner.is_none_or(examined)
    }
}

/// Returns the boot facts of a final disk, if they were extracted.
pub fn boot_facts(layer: &Layer) -> Option<BootFacts> {
    serde_json::from_value(layer.meta.facts.get(BOOT)?.clone()).ok()
}

/// Returns the result of the examiner with this key on a layer's disk, if there is one.
pub fn examination(layer: &Layer, key: &str) -> Option<Value> {
    let kept: Examined = serde_json::from_value(layer.meta.facts.get(EXAMINATION)?.clone()).ok()?;
    (kept.key == key).then_some(kept.found)
}

/// The files and facts that were extracted from a disk.
#[derive(Debug, Default)]
pub(super) struct Taken {
    pub(super) extras: Vec<Extra>,
    /// Keys of the layer's facts.
    pub(super) facts: Map<String, Value>,
}

/// Extracts everything that is needed from the mounted disk into a directory.
pub(super) fn take(
    needs: Needs<'_>,
    guest: &mut dyn Guest,
    mounts: &[Mount],
    packages: &[Package],
    dir: &Path,
) -> Result<Taken, GuestError> {
    let mut taken = Taken::default();
    if let Some(Examiner { key, examine }) = needs.examiner {
        let examined = Examined { key: key.clone(), found: examine(guest, mounts, packages)? };
        taken.facts.insert(EXAMINATION.to_owned(), json!(examined));
    }
    if needs.tree {
        guest.archive(&dir.join(Extra::Tree.file()))?;
        taken.extras.push(Extra::Tree);
    }
    if needs.boot {
        let booted = inspect::booted(guest)?;
        let facts = BootFacts {
            root: root_range(guest, mounts)?,
            args: booted.args,
            kernel: booted.kernel.as_ref().map(|kernel| kernel.path.clone()),
            initrd: booted.kernel.and_then(|kernel| kernel.initrd),
        };
        for (path, extra) in [(&facts.kernel, Extra::Kernel), (&facts.initrd, Extra::Initrd)] {
            if let Some(path) = path {
                guest.download(path, &dir.join(extra.file()))?;
                taken.extras.push(extra);
            }
        }
        taken.facts.insert(BOOT.to_owned(), json!(facts));
    }
    Ok(taken)
}

/// Where the root file system is on the disk, if a stretch of the disk is nothing else.
fn root_range(guest: &mut dyn Guest, mounts: &[Mount]) -> Result<Option<Range>, GuestError> {
    let root = mounts.iter().find(|mount| mount.path == "/");
    let number = match root.map(|mount| &mount.source) {
        Some(MountSource::Partition(number)) => number,
        Some(MountSource::Disk) => return Ok(Some(Range { start: 0, size: guest.devices()?.size })),
        Some(MountSource::Device(_)) | None => return Ok(None),
    };
    let table = guest.devices()?.partition_table;
    let partition = table.and_then(|table| table.partitions.into_iter().find(|other| other.number == *number));
    Ok(partition.map(|partition| Range { start: partition.start, size: partition.size }))
}

/// Extracts the missing parts from a final layer that existed already.
pub(super) fn take_later(plan: &Plan, built: &mut BuiltDisk<'_>, needs: Needs<'_>) -> Result<(), BuildError> {
    let BuiltDisk { session, mounts } = built;
    let workshop = session.workshop;
    let key = plan.steps.last().expect("a plan ends with the final step").key;
    if workshop.store.find(&key)?.is_some_and(|layer| needs.are_met_by(&layer)) {
        return Ok(());
    }
    let added =
        workshop.store.add_extras(&key, &workshop.interrupt, &|layer| needs.are_met_by(layer), |layer, dir| {
            let message = "the guest takes out of the final disk what was not asked for when it was made".to_owned();
            workshop.reporter.report(&Event::Detail { message });
            let taken = from_layer(session, plan, layer, mounts, needs, dir)?;
            Ok::<_, BuildError>(Extracted { extras: taken.extras, facts: Value::Object(taken.facts) })
        })?;
    added.map(drop).ok_or(BuildError::Vanished(key))
}

/// Mounts a layer on a temporary overlay.
fn from_layer(
    session: &mut Session<'_>,
    plan: &Plan,
    layer: &Layer,
    mounts: &[Mount],
    needs: Needs<'_>,
    dir: &Path,
) -> Result<Taken, BuildError> {
    let overlay = session.workshop.scratch.join("extract.qcow2");
    QemuImg::default()
        .create_overlay(&overlay, &layer.disk, Format::Qcow2, plan.disk.size.get())
        .map_err(|error| BuildError::Extract(with_causes(&error)))?;
    let guest = session.guest()?;
    guest.attach(&overlay).during("attach the final disk")?;
    guest.mount(mounts).during("mount the final disk")?;
    let packages: Option<Vec<Package>> =
        layer.meta.facts.get(PACKAGES).cloned().and_then(|packages| serde_json::from_value(packages).ok());
    let taken = take(needs, guest, mounts, &packages.unwrap_or_default(), dir).during(LOOK)?;
    guest.unmount().during("unmount the final disk")?;
    Ok(taken)
}
