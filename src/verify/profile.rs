//! How an image was booted, and what was seen while it ran.

use serde::{Deserialize, Serialize};

use super::finding::Finding;
use crate::recipe::verify::{BootKind, Datasource};

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
