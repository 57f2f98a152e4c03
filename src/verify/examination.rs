//! The result of examining an image without booting it.

use serde::{Deserialize, Serialize};

use super::finding::Finding;
use crate::base::Package;
use crate::recipe::Firmware;

/// The result of examining an image without booting it.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
pub struct Examination {
    /// The finding of each rule.
    pub findings: Vec<Finding>,
    /// The facts that the image states about itself.
    pub subject: Subject,
    /// Directories that take the most space, largest first.
    pub usage: Vec<Usage>,
    /// Installed packages, sorted by name.
    pub packages: Vec<Package>,
}

/// The facts that an image states about itself.
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
    /// Whether a signed boot loader is where firmware with Secure Boot looks for it.
    pub secure_boot: bool,
    /// The account that gets the key of the instance's owner: by cloud-init, or by the element `metadata-ssh-key`.
    pub default_user: Option<String>,
    /// Whether the QEMU guest agent is installed.
    pub guest_agent: bool,
}

/// The space that a directory and all below it take.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Usage {
    /// Absolute path.
    pub path: String,
    /// Bytes of the files below it, without those that belong to other entries of the list.
    pub bytes: u64,
}
