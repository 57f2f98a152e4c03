//! The result of verifying: the findings, and facts for publishing the image.

use serde::{Deserialize, Serialize};

use super::examination::{Subject, Usage};
use super::finding::Finding;
use super::profile::Boot;
use crate::base::Package;
use crate::recipe::verify::BootKind;

/// Facts about an image, for publishing it.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
pub struct ImageFacts {
    /// The facts that the image states about itself.
    #[serde(flatten)]
    pub subject: Subject,
    /// Firmware that it booted under.
    pub boots: Vec<BootKind>,
    /// Seconds from power-on to the end of first boot, of the fastest profile.
    pub boot_seconds: Option<f64>,
    /// Smallest disk it needs, in whole GiB: by its size, or, if measured, the smallest that it booted with.
    pub min_disk_gib: Option<u64>,
    /// Least memory that it booted with, in MiB.
    pub min_ram_mib: Option<u64>,
    /// Whether these two were found by booting with less.
    pub measured: bool,
    /// Whether the guest agent answered; `null` if it was not asked.
    pub agent_answers: Option<bool>,
    /// The accelerator of the processor during the boots: `kvm`, `tcg`.
    pub accel: Option<String>,
}

/// The result of verifying an image.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Report {
    /// Name of the image.
    pub name: String,
    /// File name of the image.
    pub image: String,
    /// The digest of the image, the same before and after; `null` if it was not booted.
    pub sha256: Option<String>,
    /// All findings: static ones first, then those of each profile.
    pub findings: Vec<Finding>,
    /// The boots and their results. Their findings are in [`Report::findings`].
    pub boots: Vec<Boot>,
    /// The facts about the image.
    pub facts: ImageFacts,
    /// The largest directories.
    pub usage: Vec<Usage>,
    /// Installed packages.
    pub packages: Vec<Package>,
}

impl Report {
    /// Returns whether no failure counts.
    pub fn passed(&self) -> bool {
        !self.findings.iter().any(Finding::counts)
    }
}
