//! Rules about the partition table, from the sectors at both ends of the disk.

use std::io;

use super::disk;
use super::guide::guide;
use super::view::{Judged, View};
use crate::guest::Devices;
use crate::image::{Extents, Source, partitions};
use crate::units::ByteSize;
use crate::verify::{Finding, Group, Rule, Severity, Stage};

/// The rules of this file, each with its judge, in the order of reports.
pub(super) const RULES: Judged = &[(&PARTITION_TABLE, partition_table), (&ROOT_FILLS, root_fills)];

pub(super) const PARTITION_TABLE: Rule = Rule {
    id: "partition-table",
    group: Group::Disk,
    stage: Stage::Static,
    severity: Severity::Error,
    sentence: "The partition table and its copy at the end of the disk are valid",
    reason: "Firmware may refuse to boot from a damaged table, and tools that grow the root partition refuse it.",
    page: guide!("disk-partitions-and-resize-root-partition-on-boot-cloud-init"),
    mend: "repair it with `sgdisk --move-second-header`, after `sgdisk --verify` has shown the fault; do not truncate or \
           extend the image file, but use it as a base and set a larger `disk.size`",
};

pub(super) const ROOT_FILLS: Rule = Rule {
    id: "root-fills",
    group: Group::Disk,
    stage: Stage::Static,
    severity: Severity::Info,
    sentence: "The root partition reaches to the end of the disk",
    reason: "Space behind it stays unused until the partition grows, and an instance's disk may be no larger than the image.",
    page: guide!("disk-partitions-and-resize-root-partition-on-boot-cloud-init"),
    mend: "use the image as a base and set a larger `disk.size`: if nothing lies behind the root partition, the build grows \
           it to the end of the disk",
};

/// Bytes after the last partition for the copy of a GPT and for alignment.
const BEHIND: u64 = 2 << 20;

/// A disk of which both ends were read.
struct Ends<'a>(&'a Devices);

impl Source for Ends<'_> {
    fn size(&self) -> u64 {
        self.0.size
    }

    fn extents(&self) -> io::Result<Extents> {
        Ok(Extents::new())
    }

    fn read_at(&self, offset: u64, buffer: &mut [u8]) -> io::Result<()> {
        let Devices { size, first_sectors, last_sectors, .. } = self.0;
        let last = size.saturating_sub(last_sectors.len() as u64);
        for (at, byte) in (offset..).zip(buffer) {
            let (bytes, at) = if at < last { (first_sectors, at) } else { (last_sectors, at - last) };
            let known = usize::try_from(at).ok().and_then(|at| bytes.get(at)).copied();
            *byte =
                known.ok_or_else(|| io::Error::new(io::ErrorKind::InvalidData, "a GPT is not where it should be"))?;
        }
        Ok(())
    }
}

pub(super) fn partition_table(view: &View) -> Finding {
    let Some(table) = &view.devices.partition_table else {
        return PARTITION_TABLE.skipped("the disk has no partition table");
    };
    if table.kind != "gpt" {
        return PARTITION_TABLE.skipped("the disk has no GPT; a master boot record has neither checksums nor a copy");
    }
    let disk = Ends(&view.devices);
    match (partitions::read(&disk), partitions::copy_faults(&disk)) {
        (Ok(table), Ok(copy)) => PARTITION_TABLE.unless(table.faults.into_iter().chain(copy)),
        (Err(error), _) | (_, Err(error)) => PARTITION_TABLE.failed([error.to_string()]),
    }
}

pub(super) fn root_fills(view: &View) -> Finding {
    let partition = disk::root(view).and_then(|root| root.partition);
    let table = view.devices.partition_table.iter().flat_map(|table| &table.partitions);
    let Some(own) = table.into_iter().find(|other| Some(other.number) == partition) else {
        return ROOT_FILLS.skipped("the root file system is not directly on a partition");
    };
    let behind = view.devices.size.saturating_sub(own.start.saturating_add(own.size));
    if behind < BEHIND {
        ROOT_FILLS.passed([format!("partition {}", own.number)])
    } else {
        let behind = ByteSize::bytes(behind);
        ROOT_FILLS.failed([format!("partition {} ends {behind} before the end of the disk", own.number)])
    }
}
