//! Where the disk of a plan comes from, and what it is divided into.

use serde::Serialize;

use crate::digest::Sha256;
use crate::recipe::{Bootstrap, Firmware, Layout};
use crate::units::ByteSize;

/// The disk of an image.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct DiskPlan {
    /// Virtual size.
    pub size: ByteSize,
    /// Partitions of a bootstrapped disk.
    pub layout: Layout,
    /// Firmware the image boots under.
    pub firmware: Vec<Firmware>,
}

/// Where the disk comes from.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum BasePlan {
    /// Packages of a mirror.
    Bootstrap {
        /// What the recipe says.
        source: Bootstrap,
        /// The mirror's repositories as they are now.
        repositories: Vec<RepositoryPin>,
    },
    /// A disk image.
    Image {
        /// Where it came from.
        source: String,
        /// Digest of the file.
        sha256: Sha256,
        /// When its packages' repositories were last asked to be looked at anew.
        #[serde(skip_serializing_if = "Option::is_none")]
        refreshed: Option<String>,
    },
}

/// One repository of packages at one moment.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, serde::Deserialize)]
pub struct RepositoryPin {
    /// Base URL of the archive.
    pub url: String,
    /// Suite: `bookworm`, `bookworm-updates`, `bookworm-security`.
    pub suite: String,
    /// Components.
    pub components: Vec<String>,
    /// Digest of its `InRelease` file.
    pub sha256: Sha256,
    /// When its makers wrote that file, as its field `Date` says; in seconds since 1970.
    pub date: u64,
}
