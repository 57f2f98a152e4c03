//! Records of images that passed every check, from which the page `distributions-matrix.md` of the documentation is made.

use std::collections::{BTreeMap, BTreeSet};
use std::path::{Path, PathBuf};

use serde::{Deserialize, Serialize};

/// How the disk of an image came to be, and whether its packages are the distribution's own.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub(crate) enum Made {
    /// From the distribution's packages.
    Packages,
    /// From packages of Debian with the distribution's names.
    SyntheticPackages,
    /// Upon an image of the distribution.
    Image,
    /// Upon an image of packages of Debian with the distribution's names.
    SyntheticImage,
}

/// What a test saw of an image that passed every check.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Record {
    /// Heading of its columns.
    pub(crate) title: String,
    /// Name of the distribution's data.
    pub(crate) distro: String,
    /// Version of its release.
    pub(crate) version: String,
    /// Architecture.
    pub(crate) arch: String,
    /// Origin of the disk.
    pub(crate) made: Made,
    /// Elements of the recipe.
    pub(crate) elements: BTreeSet<String>,
    /// Whether the checks of these elements ran too. `verify` knows them only of images that its cache has built.
    pub(crate) own_checks: bool,
    /// Firmware under which it was booted.
    pub(crate) boots: BTreeSet<String>,
    /// Rules that it keeps.
    pub(crate) passed: BTreeSet<String>,
    /// Rules that do not apply, and why.
    pub(crate) skipped: BTreeMap<String, String>,
}

/// Directory of the records.
pub(crate) fn directory() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("docs/verified")
}
