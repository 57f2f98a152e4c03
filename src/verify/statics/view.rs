//! The facts about an image that rules need.

use super::super::{Finding, Rule};
use super::early;
use crate::guest::Devices;
use crate::inspect::{self, System, Tree};
use crate::recipe::Firmware;

/// Rules with their judges.
pub(super) type Judged = &'static [(&'static Rule, fn(&View) -> Finding)];

/// The facts about an image that rules need.
#[derive(Debug, Default)]
pub(super) struct View {
    /// All files, with the content of those that a rule reads.
    pub(super) tree: Tree,
    /// The partitions and file systems of the disk.
    pub(super) devices: Devices,
    /// The facts from its configuration files.
    pub(super) system: System,
    /// The initial RAM disk of the default kernel.
    pub(super) early: early::Early,
    /// Files without a label of SELinux; `None` if nobody needs to know, or the guest cannot tell.
    pub(super) unlabelled: Option<Vec<String>>,
    /// Architecture; empty if unknown.
    pub(super) arch: String,
}

pub(super) fn view(tree: Tree, devices: Devices, arch: &str) -> View {
    let system = inspect::of_tree(&tree, &devices, &firmware(&devices));
    let early = early::early(&tree, &system);
    View { tree, devices, system, early, unlabelled: None, arch: arch.to_owned() }
}

/// Returns the firmware for which the disk has a place.
pub(super) fn firmware(devices: &Devices) -> Vec<Firmware> {
    let partitions = devices.partition_table.iter().flat_map(|table| &table.partitions);
    let purposes: Vec<_> = partitions.filter_map(|partition| partition.purpose.as_deref()).collect();
    let code = devices.first_sectors.iter().take(440).any(|byte| *byte != 0);
    let mut found = Vec::new();
    if code || purposes.contains(&"BIOS boot") {
        found.push(Firmware::Bios);
    }
    if purposes.iter().any(|purpose| purpose.starts_with("EFI")) {
        found.push(Firmware::Uefi);
    }
    found
}
