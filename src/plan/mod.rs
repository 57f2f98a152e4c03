//! The plan: what a build will do, as pure data.
//!
//! `goldsmith plan`, `build --dry-run` and `build` use the same value. [`resolve`] makes it of a recipe and
//! of what was pinned for it; [`key`] says what enters a layer key.

mod arguments;
pub mod key;
mod resolve;

pub use crate::vocabulary::{Asset, AssetKind, Distro, Origin, Phase, StepId};
pub use arguments::Arguments;
pub use resolve::resolve;

use std::collections::BTreeMap;
use std::time::Duration;

use serde::Serialize;

use crate::action::Action;
use crate::digest::Sha256;
use crate::distro::Os;
use crate::element::schema::Check;
use crate::image::Output;
use crate::image::digests::Checksum;
use crate::layer::LayerKey;
use crate::recipe::publish::Target;
use crate::recipe::{Arch, Bootstrap, Firmware, Layout, SecretSource, Verify};
use crate::units::ByteSize;

/// What a build will do.
#[derive(Debug, Clone, Serialize)]
pub struct Plan {
    /// Name of the image.
    pub name: String,
    /// One sentence about it.
    pub description: Option<String>,
    /// Its architecture.
    pub arch: Arch,
    /// Its distribution.
    pub distro: Distro,
    /// What is known of that: among it, how packages are installed and the boot loader is set up.
    pub os: Os,
    /// Parameters with their values.
    pub params: BTreeMap<String, serde_json::Value>,
    /// The disk.
    pub disk: DiskPlan,
    /// Where the disk comes from.
    pub base: BasePlan,
    /// All packages of all elements and of the recipe, and who asks for each: one transaction.
    pub packages: BTreeMap<String, Vec<String>>,
    /// What is done to it, in order; the first step makes the base, the last one the final disk.
    pub steps: Vec<Step>,
    /// Files to make of it.
    pub outputs: Vec<Output>,
    /// Checksums of the files.
    pub checksums: Vec<Checksum>,
    /// What must be true of it: the element (or the recipe) that says so, and the check.
    pub checks: Vec<(String, Check)>,
    /// How it is verified, if at all. No ingredient of any key.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub verify: Option<Verify>,
    /// Where it is handed to, if that is asked for. No ingredient of any key.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub publish: Vec<Target>,
    /// Where secrets come from. Their values are in no plan.
    pub secrets: BTreeMap<String, SecretSource>,
    /// Things worth saying that are no errors, such as a shadowed element.
    pub notes: Vec<String>,
}

impl Plan {
    /// The moment that the image is of, in seconds since 1970: when its repositories were last changed. It takes the
    /// place of the time of the build in what is written. An image as a base has none.
    ///
    /// It is no ingredient of a layer key, as it follows from the digests of the repositories, which are.
    pub fn epoch(&self) -> Option<u64> {
        match &self.base {
            BasePlan::Bootstrap { repositories, .. } => repositories.iter().map(|pin| pin.date).max(),
            BasePlan::Image { .. } => None,
        }
    }
}

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

/// The unit of caching: what one element does in one phase.
#[derive(Debug, Clone, Serialize)]
pub struct Step {
    /// Its name.
    pub id: StepId,
    /// What it does, rendered.
    pub actions: Vec<Action>,
    /// Files it brings, by the path that actions use.
    pub files: BTreeMap<String, Asset>,
    /// Arguments that every menu entry has at its end, in the step that ends `finish`.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub arguments: Option<Arguments>,
    /// Its layer.
    pub key: LayerKey,
    /// What the key was made of.
    pub ingredients: serde_json::Value,
    /// How long it may take; `None` for the build's deadline.
    #[serde(skip_serializing_if = "Option::is_none", with = "crate::units::option_duration")]
    pub timeout: Option<Duration>,
}
