//! Plans what must grow so that the root file system gets the room of a larger disk. The plan is pure data, made from the result
//! of inspection.

use super::devices::{Partition, PartitionTable, Storage};
use super::{Inspection, MountSource};

/// Bytes that a partition leaves free at the end of the disk: the copy of a GPT, up to a whole MiB.
const FREE_AT_END: u64 = 1 << 20;

/// Where partitions of a master boot record end at the latest: it counts sectors of 512 bytes in 32 bits.
const MBR_END: u64 = 512 << 32;

/// File systems that are grown.
const FILE_SYSTEMS: [&str; 5] = ["ext2", "ext3", "ext4", "xfs", "btrfs"];

/// One thing that grows.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Step {
    /// The copy of a GPT moves to the end of the disk.
    MoveCopy,
    /// A partition.
    Partition {
        /// Its number.
        number: u32,
        /// Where it ends then, in bytes.
        end: u64,
    },
    /// A physical volume, and a logical volume of its group by as much.
    Volume {
        /// What the physical volume is on.
        on: MountSource,
        /// The volume group.
        group: String,
        /// The logical volume's device.
        device: String,
    },
    /// A file system, to the size of what it is on.
    FileSystem {
        /// What it is on.
        on: MountSource,
        /// Its type.
        kind: String,
    },
}

/// What grows on a disk that has become larger.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Growth {
    /// What grows, in order.
    pub steps: Vec<Step>,
    /// Why the root file system does not get all of the disk.
    pub hindrance: Option<String>,
}

/// Plans what grows on an inspected disk whose size is now `size` bytes.
pub fn plan(found: &Inspection, size: u64) -> Growth {
    let gpt = found.storage.table.as_ref().is_some_and(|table| table.kind == "gpt");
    let mut growth = Growth { steps: gpt.then_some(Step::MoveCopy).into_iter().collect(), hindrance: None };
    let Some(root) = found.mounts.iter().find(|mount| mount.path == "/") else { return growth };
    let kind = found.root_filesystem.clone();
    if !FILE_SYSTEMS.contains(&kind.as_str()) {
        growth.hindrance = Some(format!("Goldsmith does not grow file systems of the type `{kind}`"));
        return growth;
    }
    match below(&found.storage, &root.source, size) {
        Ok(steps) => {
            growth.steps.extend(steps);
            growth.steps.push(Step::FileSystem { on: root.source.clone(), kind });
            let mbr = found.storage.table.as_ref().is_some_and(|table| table.kind == "dos");
            growth.hindrance = (mbr && size > MBR_END + FREE_AT_END)
                .then(|| "partitions of a master boot record end at 2 TiB; a GPT has no such limit".to_owned());
        }
        Err(hindrance) => growth.hindrance = Some(hindrance),
    }
    growth
}

/// What grows below the root file system, or why nothing can.
fn below(storage: &Storage, root: &MountSource, size: u64) -> Result<Vec<Step>, String> {
    let device = match root {
        MountSource::Disk => return Ok(Vec::new()),
        MountSource::Partition(number) => return partition(storage, *number, size),
        MountSource::Device(device) => device,
    };
    let Some(volume) = storage.logical_volumes.iter().find(|volume| volume.device == *device) else {
        return Err(format!("it is on {device}, which is neither a partition nor a logical volume"));
    };
    if volume.kind != "linear" {
        let kind = &volume.kind;
        return Err(format!("it is on {device}, a logical volume of the kind `{kind}`; only `linear` ones are grown"));
    }
    // A group may have several physical volumes; the one at the end of the disk grows.
    let mut hindrance = format!("it is on {device}, whose volume group is not known");
    for physical in storage.physical_volumes.iter().filter(|physical| physical.group == volume.group) {
        let container = match &physical.on {
            MountSource::Disk => Ok(Vec::new()),
            MountSource::Partition(number) => partition(storage, *number, size),
            MountSource::Device(other) => Err(format!("its volume group is on {other}, which is not a partition")),
        };
        match container {
            Ok(mut steps) => {
                steps.push(Step::Volume {
                    on: physical.on.clone(),
                    group: volume.group.clone(),
                    device: device.clone(),
                });
                return Ok(steps);
            }
            Err(reason) => hindrance = reason,
        }
    }
    Err(hindrance)
}

/// A partition grows that nothing lies behind, after the extended partition that it may be in.
fn partition(storage: &Storage, number: u32, size: u64) -> Result<Vec<Step>, String> {
    let table = storage.table.as_ref().ok_or_else(|| format!("it is on partition {number} of no partition table"))?;
    let own = table.partitions.iter().find(|other| other.number == number);
    let own = own.ok_or_else(|| format!("the partition table has no partition {number}"))?;
    if let Some(behind) = table.partitions.iter().find(|other| other.start > own.start) {
        let what = if is_extended(table, behind) { "the extended partition" } else { "partition" };
        return Err(format!("{what} {} lies behind partition {number}, which it is on", behind.number));
    }
    let mut end = (size / FREE_AT_END).saturating_sub(1) * FREE_AT_END;
    let mut growing = vec![own];
    if table.kind == "dos" {
        end = end.min(MBR_END);
        // Logical partitions are those from 5.
        let extended = (number >= 5).then(|| table.partitions.iter().find(|other| is_extended(table, other))).flatten();
        growing.splice(0..0, extended);
    }
    let growing = growing.into_iter().filter(|partition| partition.start + partition.size < end);
    Ok(growing.map(|partition| Step::Partition { number: partition.number, end }).collect())
}

fn is_extended(table: &PartitionTable, partition: &Partition) -> bool {
    table.kind == "dos" && ["5", "f", "85"].contains(&partition.kind.as_str())
}

#[cfg(test)]
#[path = "grow_tests.rs"]
mod tests;
