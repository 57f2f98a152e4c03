//! Whether an image keeps its promises: found out by looking at it, and by booting it as a cloud would.
//!
//! ```text
//! guest ── statics::examine ─> Examination ─┐
//! image ── boot::boot ───────> Vec<Boot> ───┴─> Report ── report::{html, junit} ──> files
//! ```
//!
//! A [`Rule`] says what must be true, why, and what to do where it is not; a [`Finding`] is what was seen of it.
//! Rules are data and their judgement is pure: what is seen of an image is gathered first.

mod assemble;
pub mod boot;
mod examiner;
mod finding;
pub mod report;
pub mod statics;
mod tally;

pub use examiner::{examiner, ids, key, rules};
pub use finding::{Finding, Group, Outcome, Rule, Severity, Stage};
pub use tally::Tally;

use serde::{Deserialize, Serialize};

use crate::base::Package;
use crate::recipe::Firmware;
use crate::recipe::verify::{BootKind, Datasource};

/// What was seen of an image without booting it.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
pub struct Examination {
    /// What each rule found.
    pub findings: Vec<Finding>,
    /// What the image says of itself.
    pub subject: Subject,
    /// Directories that take the most space, largest first.
    pub usage: Vec<Usage>,
    /// Installed packages, sorted by name.
    pub packages: Vec<Package>,
}

/// What an image says of itself.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Subject {
    /// Distribution: `debian`; `null` if no operating system was found.
    pub distro: Option<String>,
    /// Name for people: `Debian GNU/Linux 12 (bookworm)`.
    pub product: Option<String>,
    /// Version as its makers write it: `12`.
    pub version: Option<String>,
    /// Architecture: `x86_64`.
    pub arch: Option<String>,
    /// Firmware that finds something to start.
    pub firmware: Vec<Firmware>,
    /// Whether a signed boot loader lies where firmware with Secure Boot looks for it.
    pub secure_boot: bool,
    /// The account that cloud-init makes for the person who starts the instance.
    pub default_user: Option<String>,
    /// Whether the QEMU guest agent is installed.
    pub guest_agent: bool,
}

/// What a directory and all below it take.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Usage {
    /// Absolute path.
    pub path: String,
    /// Bytes of the files below it, without what other entries of the list below it have.
    pub bytes: u64,
}

/// One way to boot an image: one instance of it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub struct Profile {
    /// Firmware.
    pub boot: BootKind,
    /// Where its metadata comes from.
    pub metadata: Datasource,
}

impl std::fmt::Display for Profile {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "{}/{}", self.boot, self.metadata)
    }
}

/// What was seen of an image while it ran.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Boot {
    /// How it was booted.
    pub profile: Profile,
    /// What each rule found.
    pub findings: Vec<Finding>,
    /// What happened when, in order.
    pub milestones: Vec<Milestone>,
    /// The end of what the serial console showed, made printable.
    pub serial: String,
    /// The screen as a PNG file, where the serial console stayed silent or the boot failed.
    #[serde(skip)]
    pub screenshot: Option<Vec<u8>>,
}

/// Something that happened while an image ran.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Milestone {
    /// What: `kernel`, `login prompt`, `ssh`, `first boot done`, `power off`, ...
    pub name: String,
    /// Seconds since power-on of the first boot.
    pub seconds: f64,
}

/// Properties of an image that were found out, for whoever publishes it.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
pub struct ImageFacts {
    /// What the image says of itself.
    #[serde(flatten)]
    pub subject: Subject,
    /// Firmware it was seen to boot under.
    pub boots: Vec<BootKind>,
    /// Seconds from power-on to the end of first boot, of the fastest profile.
    pub boot_seconds: Option<f64>,
    /// Smallest disk it needs, in whole GiB: by its size, or by what it was seen to boot on where that was measured.
    pub min_disk_gib: Option<u64>,
    /// Least memory it was seen to boot with, in MiB.
    pub min_ram_mib: Option<u64>,
    /// Whether these two were found out by booting with less.
    pub measured: bool,
    /// Whether the guest agent answered; `null` if nobody asked.
    pub agent_answers: Option<bool>,
    /// How the processor was provided when it was booted: `kvm`, `tcg`.
    pub accel: Option<String>,
}

/// Everything that verifying an image found.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Report {
    /// Name of the image.
    pub name: String,
    /// File name of the image that was looked at or booted.
    pub image: String,
    /// Its digest, the same before and after; `null` if it was not booted.
    pub sha256: Option<String>,
    /// All findings: static ones first, then those of each profile.
    pub findings: Vec<Finding>,
    /// How it was booted, and what came of it. Their findings are in [`Report::findings`].
    pub boots: Vec<Boot>,
    /// What was found out.
    pub facts: ImageFacts,
    /// What takes the space.
    pub usage: Vec<Usage>,
    /// Installed packages.
    pub packages: Vec<Package>,
}

impl Report {
    /// Whether nothing failed that counts.
    pub fn passed(&self) -> bool {
        !self.findings.iter().any(Finding::counts)
    }
}
