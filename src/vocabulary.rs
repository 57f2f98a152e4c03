//! Words that recipes, plans and events share: phases, steps, files, distributions, firmware, architectures.

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
    /// The name that the Linux kernel uses.
    pub fn name(self) -> &'static str {
        match self {
            Self::X86_64 => "x86_64",
            Self::Aarch64 => "aarch64",
        }
    }

    /// The architecture that the Linux kernel calls by a name; `None` if images for it cannot be built.
    pub fn of_kernel(name: &str) -> Option<Self> {
        [Self::X86_64, Self::Aarch64].into_iter().find(|arch| arch.name() == name)
    }
}

/// When a step runs.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum Phase {
    /// The disk the image starts from.
    Base,
    /// Packages and what else is brought in.
    Install,
    /// Settings.
    Configure,
    /// What decides how the image boots.
    Boot,
    /// The end of `boot`: boot loader and initramfs, once.
    Finish,
    /// What must not be in an image.
    Clean,
    /// Unused blocks given back; the disk is final.
    Finalize,
}

impl Phase {
    /// Name of the phase, as elements and recipes write it.
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

/// Name of a step: no two steps of a plan have the same.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize)]
pub struct StepId {
    /// When it runs.
    pub phase: Phase,
    /// Which element asks for it; the recipe's own steps bear the recipe's name.
    pub element: String,
}

impl fmt::Display for StepId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} {}", self.phase.name(), self.element)
    }
}

/// A Linux distribution, as far as elements need to know it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, serde::Deserialize)]
pub struct Distro {
    /// `debian`, `ubuntu`, `fedora`, `rhel`, `opensuse`, ...
    pub name: String,
    /// Code name, or the version where there is none: `bookworm`.
    pub release: String,
    /// Version number: `12`.
    pub version: String,
    /// `debian`, `redhat` or `suse`.
    pub family: String,
}

/// A file, directory or link of a recipe or element. A directory is one of these, and so is everything in it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Asset {
    /// What it is.
    #[serde(flatten)]
    pub kind: AssetKind,
    /// Permission bits, with those for set-user-ID, set-group-ID and sticky.
    pub mode: u32,
    /// Extended attributes, capabilities and access control lists among them.
    #[serde(skip_serializing_if = "BTreeMap::is_empty")]
    pub xattrs: BTreeMap<String, Vec<u8>>,
}

/// What an [`Asset`] is.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[serde(tag = "kind", rename_all = "lowercase")]
pub enum AssetKind {
    /// A regular file.
    File {
        /// Digest of its content.
        sha256: Sha256,
        /// Where its content is. Not part of any key.
        #[serde(skip)]
        origin: Origin,
    },
    /// A directory.
    Directory,
    /// A symbolic link.
    Symlink {
        /// What it leads to, as it is written.
        target: String,
    },
    /// One more name of a file.
    Hardlink {
        /// Path of its first name, which is before all others.
        first: String,
    },
}

/// Where the content of an [`Asset`] is.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Origin {
    /// In the program.
    Embedded(&'static [u8]),
    /// In a file of the host.
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
    /// The name that recipes use.
    pub fn name(self) -> &'static str {
        match self {
            Self::Bios => "bios",
            Self::Uefi => "uefi",
        }
    }
}
