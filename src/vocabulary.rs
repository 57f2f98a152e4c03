//! Types that recipes, plans and events share: phases, steps, files, distributions, firmware, architectures.

use std::collections::BTreeMap;
use std::fmt;
use std::path::PathBuf;

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::digest::Sha256;

/// Processor architecture of an image.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "lowercase")]
pub enum Arch {
    /// 64-bit x86.
    #[serde(rename = "x86_64", alias = "amd64")]
    X86_64,
    /// 64-bit Arm.
    #[serde(alias = "arm64")]
    Aarch64,
}

impl Arch {
    /// Returns the name that the Linux kernel uses.
    pub fn name(self) -> &'static str {
        match self {
            Self::X86_64 => "x86_64",
            Self::Aarch64 => "aarch64",
        }
    }

    /// Returns the architecture with a name of the Linux kernel; `None` if Goldsmith cannot build images for it.
    pub fn of_kernel(name: &str) -> Option<Self> {
        [Self::X86_64, Self::Aarch64].into_iter().find(|arch| arch.name() == name)
    }

    /// Returns the architecture of this host; `None` if Goldsmith cannot build images for it.
    pub fn host() -> Option<Self> {
        Self::of_kernel(std::env::consts::ARCH)
    }

    /// Returns whether machines of this architecture can have a BIOS. All of them can have UEFI.
    pub fn has_bios(self) -> bool {
        self == Self::X86_64
    }
}

/// The phase of a build in which a step runs.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum Phase {
    /// The disk that the image starts from.
    Base,
    /// Installation of packages and other software.
    Install,
    /// Configuration.
    Configure,
    /// Configuration of the boot.
    Boot,
    /// Once at the end of `boot`: generation of boot loader and initramfs.
    Finish,
    /// Removal of files that must not be in an image.
    Clean,
    /// Discarding of unused blocks; then the disk is final.
    Finalize,
}

impl Phase {
    /// Returns the name of the phase in elements and recipes.
    pub fn name(self) -> &'static str {
        match self {
            Self::Base => "base",
            Self::Install => "install",
            Self::Configure => "configure",
            Self::Boot => "boot",
            Self::Finish => "finish",
            Self::Clean => "clean",
            Self::Finalize => "finalize",
        }
    }
}

/// The id of a step, unique in a plan.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize)]
pub struct StepId {
    /// Phase in which the step runs.
    pub phase: Phase,
    /// Element of the step; for the recipe's own steps, the name of the recipe.
    pub element: String,
}

impl fmt::Display for StepId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} {}", self.phase.name(), self.element)
    }
}

/// A Linux distribution, with the facts that elements need.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, serde::Deserialize)]
pub struct Distro {
    /// `debian`, `ubuntu`, `fedora`, `rhel`, `opensuse`, ...
    pub name: String,
    /// Code name, or the version if there is none: `bookworm`.
    pub release: String,
    /// Version number: `12`.
    pub version: String,
    /// `debian`, `redhat` or `suse`.
    pub family: String,
}

/// A file, directory or link of a recipe or element. Every entry in a directory is an asset too.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Asset {
    /// Kind of the asset.
    #[serde(flatten)]
    pub kind: AssetKind,
    /// Permission bits, including set-user-ID, set-group-ID and sticky.
    pub mode: u32,
    /// Extended attributes, including capabilities and access control lists.
    #[serde(skip_serializing_if = "BTreeMap::is_empty")]
    pub xattrs: BTreeMap<String, Vec<u8>>,
}

/// The kind of an [`Asset`].
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[serde(tag = "kind", rename_all = "lowercase")]
pub enum AssetKind {
    /// A regular file.
    File {
        /// Digest of the content.
        sha256: Sha256,
        /// Source of the content. Not part of any key.
        #[serde(skip)]
        origin: Origin,
    },
    /// A directory.
    Directory,
    /// A symbolic link.
    Symlink {
        /// Target of the link, as it is written.
        target: String,
    },
    /// Another name of a file.
    Hardlink {
        /// Path of the file's first name, which sorts before all others.
        first: String,
    },
}

/// The source of the content of an [`Asset`].
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Origin {
    /// Content in the program.
    Embedded(&'static [u8]),
    /// A file of the host.
    File(PathBuf),
}

/// Kind of firmware a machine starts with.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "lowercase")]
pub enum Firmware {
    /// PC BIOS.
    Bios,
    /// UEFI.
    Uefi,
}

impl Firmware {
    /// Returns the name in recipes.
    pub fn name(self) -> &'static str {
        match self {
            Self::Bios => "bios",
            Self::Uefi => "uefi",
        }
    }
}
