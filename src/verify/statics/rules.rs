//! The list of all rules for a disk.

use super::super::{Finding, Rule};
use super::view::{Judged, View};
use super::{access, boot, dhcp, disk, drivers, hygiene, leftovers, network, selinux, signed, table};

/// Rules of each file, in the order of reports.
const FILES: [Judged; 11] = [
    disk::RULES,
    table::RULES,
    boot::RULES,
    signed::RULES,
    drivers::RULES,
    selinux::RULES,
    network::RULES,
    dhcp::RULES,
    access::RULES,
    hygiene::RULES,
    leftovers::RULES,
];

/// Returns the rules for a disk, in the order of reports.
pub fn rules() -> impl Iterator<Item = &'static Rule> {
    FILES.into_iter().flatten().map(|(rule, _)| *rule)
}

/// Judges every rule.
pub(super) fn judge(view: &View) -> Vec<Finding> {
    FILES.into_iter().flatten().map(|(_, judge)| judge(view)).collect()
}
