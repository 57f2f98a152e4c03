//! A way to boot an image, and the results of a boot.

use serde::{Deserialize, Serialize};

use super::finding::Finding;
use crate::recipe::verify::{BootKind, Datasource};

/// One way to boot an image. Each has its own instance.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub struct Profile {
    /// Firmware.
    pub boot: BootKind,
    /// The source of the metadata.
    pub metadata: Datasource,
}

impl std::fmt::Display for Profile {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "{}/{}", self.boot, self.metadata)
    }
}

/// The results of running an image.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Boot {
    /// The profile that it was booted with.
    pub profile: Profile,
    /// The finding of each rule.
    pub findings: Vec<Finding>,
    /// The milestones, in order.
    pub milestones: Vec<Milestone>,
    /// The end of the serial console's output, made printable.
    pub serial: String,
    /// The screen as a PNG file, if the serial console was silent or the boot failed.
    #[serde(skip)]
    pub screenshot: Option<Vec<u8>>,
}

/// An event while an image runs.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Milestone {
    /// The event: `kernel`, `login prompt`, `ssh`, `first boot done`, `power off`, ...
    pub name: String,
    /// Seconds since power-on of the first boot.
    pub seconds: f64,
}
