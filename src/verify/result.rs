//! The result of a verification: what was found, and the facts for whoever publishes the image.

use serde::{Deserialize, Serialize};

use super::examination::{Subject, Usage};
use super::finding::Finding;
use super::profile::Boot;
use crate::base::Package;
use crate::recipe::verify::BootKind;

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
