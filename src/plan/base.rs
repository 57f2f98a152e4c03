//! The types for the base and the disk of a plan.

use std::collections::BTreeMap;
use std::path::PathBuf;

use serde::Serialize;

use crate::digest::Sha256;
use crate::recipe::partitions::{Partition, Table};
use crate::recipe::{Bootstrap, Disk, Firmware, Installer, Layout};
use crate::tree;
use crate::units::ByteSize;

/// The disk of an image.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct DiskPlan {
    /// Virtual size.
    pub size: ByteSize,
    /// Partitions of a bootstrapped disk.
    pub layout: Layout,
    /// Firmware that the image boots with.
    pub firmware: Vec<Firmware>,
    /// Partition table of a bootstrapped disk.
    #[serde(skip_serializing_if = "Table::is_gpt")]
    pub table: Table,
    /// Partitions of a bootstrapped disk whose recipe lists them.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub partitions: Vec<Partition>,
}

impl Default for DiskPlan {
    fn default() -> Self {
        let Disk { size, layout, table, partitions } = Disk::default();
        Self { size, layout, firmware: layout.firmware(), table, partitions }
    }
}

/// The base of the disk.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum BasePlan {
    /// Packages from a mirror.
    Bootstrap {
        /// The base in the recipe.
        source: Bootstrap,
        /// Pins of the mirror's repositories.
        repositories: Vec<RepositoryPin>,
    },
    /// A disk image.
    Image {
        /// Path or URL of the image.
        source: String,
        /// Digest of the image's file.
        sha256: Sha256,
        /// Time when the user last asked to refresh the repositories of its packages.
        #[serde(skip_serializing_if = "Option::is_none")]
        refreshed: Option<String>,
    },
    /// A root tree.
    Tree {
        /// Path, URL or reference of the tree.
        source: String,
        /// Digest of the archive, of the content of the directory, or of the manifest of the container image.
        sha256: Sha256,
        /// Time when the user last asked to refresh the repositories of its packages.
        #[serde(skip_serializing_if = "Option::is_none")]
        refreshed: Option<String>,
        /// Files of this host with the tree.
        #[serde(skip)]
        files: tree::Source,
    },
    /// The disk that an installer makes.
    Installer(Box<InstallerPlan>),
}

/// An installer with its pinned files, and what it is told.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct InstallerPlan {
    /// The base in the recipe.
    #[serde(flatten)]
    pub base: Installer,
    /// Digest of the answer file, without the values of secrets.
    pub answer: Sha256,
    /// Digests of its files by their keys in the recipe: `kernel`, `initrd`, `iso`.
    pub digests: BTreeMap<String, Sha256>,
    /// The files in the cache, by the same keys.
    #[serde(skip)]
    pub files: BTreeMap<String, PathBuf>,
    /// Time when the user last asked to refresh the base.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub refreshed: Option<String>,
}

impl BasePlan {
    /// Returns when the user last asked to refresh the repositories that the base is configured for; `None` for a base whose
    /// repositories are pinned.
    pub fn refreshed(&self) -> Option<&str> {
        match self {
            Self::Image { refreshed, .. } | Self::Tree { refreshed, .. } => refreshed.as_deref(),
            Self::Installer(installer) => installer.refreshed.as_deref(),
            Self::Bootstrap { .. } => None,
        }
    }

    /// Returns whether the guest installs the packages of the recipe, by what the base itself is configured for.
    pub fn installs_in_guest(&self) -> bool {
        !matches!(self, Self::Bootstrap { .. })
    }
}

/// The pin of one package repository: its state at one moment.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, serde::Deserialize)]
pub struct RepositoryPin {
    /// Base URL of the archive.
    pub url: String,
    /// Suite: `bookworm`, `bookworm-updates`, `bookworm-security`; for dnf, zypper and apk, the directory of a repository; for pacman,
    /// its name.
    pub suite: String,
    /// Components; none for other tools than mmdebstrap.
    pub components: Vec<String>,
    /// Digest of the repository's index, such as `InRelease` or `repomd.xml`.
    pub sha256: Sha256,
    /// Time when the index was made, in seconds since 1970.
    pub date: u64,
}
