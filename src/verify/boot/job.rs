//! One instance to boot.

use std::time::Duration;

use super::super::Profile;
use super::settings::{Settings, disk_size};
use crate::units::ByteSize;

/// How long one boot may take if nobody says: under emulation on a busy machine, three times what was seen.
const DEADLINE: Duration = Duration::from_secs(10 * 60);

/// One instance to boot.
#[derive(Debug, Clone)]
pub(super) struct Job {
    /// Its place among the profiles; none for one that is only there to be compared with.
    pub(super) place: Option<usize>,
    pub(super) profile: Profile,
    /// Short and unique; also its host name.
    pub(super) name: String,
    /// Whether it is rebooted.
    pub(super) reboots: bool,
    /// Memory of its machine.
    pub(super) memory: ByteSize,
    /// Size of its disk, in bytes.
    pub(super) disk: u64,
    /// How long its first boot may take.
    pub(super) deadline: Duration,
}

pub(super) fn job(settings: &Settings<'_>, place: usize, profile: Profile) -> Job {
    Job {
        place: Some(place),
        profile,
        name: format!("gold-{}", place + 1),
        reboots: place == 0,
        memory: settings.verify.memory,
        disk: disk_size(settings),
        deadline: settings.verify.deadline.unwrap_or(DEADLINE),
    }
}
