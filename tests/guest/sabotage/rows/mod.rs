//! What can be wrong with an image, one row each.

mod access;
mod disk;
mod hygiene;
mod network;
mod sysprep;

use super::hand::Deed;

/// Something bad that is done to an image, and what must be found of it.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Row {
    /// The rule, or the check of an element, that must fail.
    pub(crate) id: &'static str,
    /// What is done.
    pub(crate) deeds: &'static [Deed],
    /// Words of the rule's evidence that tell of it.
    pub(crate) seen: &'static str,
    /// What else must fail of it, and nothing more.
    pub(crate) also: &'static [&'static str],
}

pub(crate) fn rows() -> Vec<Row> {
    [disk::ROWS, network::ROWS, access::ROWS, hygiene::ROWS, sysprep::ROWS].concat()
}

/// Rules whose row is a change of the disk itself, each with a disk of its own: `main.rs`.
pub(crate) const OF_DISKS: &[&str] =
    &["operating-system", "partition-table", "root-last", "root-plain", "root-fills", "bios-loader"];
