//! What was gathered of an image.

use super::super::{Finding, Rule};
use super::early;
use crate::guest::Devices;
use crate::inspect::{self, System, Tree};
use crate::recipe::Firmware;

/// Rules and the functions that judge them.
pub(super) type Judged = &'static [(&'static Rule, fn(&View) -> Finding)];

/// What was gathered of an image.
#[derive(Debug, Default)]
pub(super) struct View {
    /// All files; contents of those that a rule looks into.
    pub(super) tree: Tree,
    /// What the disk is divided into.
    pub(super) devices: Devices,
    /// What they tell.
    pub(super) system: System,
    /// What the kernel finds before there is a root file system.
    pub(super) early: early::Early,
    /// Architecture; empty if it is not known.
    pub(super) arch: String,
}

pub(super) fn view(tree: Tree, devices: Devices, arch: &str) -> View {
    let system = inspect::of_tree(&tree, &devices, &firmware(&devices));
    let early = early::early(&tree, &system);
    View { tree, devices, system, early, arch: arch.to_owned() }
}

/// Firmware that finds a place of its own on the disk.
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
