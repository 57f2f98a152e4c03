//! One instance to boot, with its settings.

use std::time::Duration;

use super::super::Profile;
use super::settings::{Settings, disk_size};
use crate::units::ByteSize;

/// Default limit for one boot: three times the longest known boot, under emulation on a busy machine.
const DEADLINE: Duration = Duration::from_secs(10 * 60);

/// One instance to boot.
#[derive(Debug, Clone)]
pub(super) struct Job {
    /// The index of its profile; none for an instance that is only compared with others.
    pub(super) place: Option<usize>,
    pub(super) profile: Profile,
    /// A short, unique name; also the host name.
    pub(super) name: String,
    /// Whether it is rebooted.
    pub(super) reboots: bool,
    /// Memory of the machine.
    pub(super) memory: ByteSize,
    /// Size of the disk, in bytes.
    pub(super) disk: u64,
    /// The limit for its first boot.
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
