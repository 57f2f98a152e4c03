//! The type of the whole plan.

use std::collections::BTreeMap;

use serde::Serialize;

use super::base::{BasePlan, DiskPlan};
use super::step::Step;
use crate::distro::Os;
use crate::element::schema::Check;
use crate::image::Output;
use crate::image::digests::Checksum;
use crate::recipe::publish::Target;
use crate::recipe::{Arch, SecretSource, Verify};
use crate::vocabulary::Distro;

/// The plan of a build.
#[derive(Debug, Clone, Serialize)]
pub struct Plan {
    /// Name of the image.
    pub name: String,
    /// Description of the image, in one sentence.
    pub description: Option<String>,
    /// Architecture.
    pub arch: Arch,
    /// Distribution.
    pub distro: Distro,
    /// Facts about the distribution, such as how packages are installed and how the boot loader is set up.
    pub os: Os,
    /// Parameters with their values.
    pub params: BTreeMap<String, serde_json::Value>,
    /// The disk.
    pub disk: DiskPlan,
    /// The base.
    pub base: BasePlan,
    /// Names of the elements, in order.
    pub elements: Vec<String>,
    /// Packages of all elements and of the recipe, which one transaction installs, and who requires each.
    pub packages: BTreeMap<String, Vec<String>>,
    /// Steps, in order. The first one makes the base, the last one the final disk.
    pub steps: Vec<Step>,
    /// Output files.
    pub outputs: Vec<Output>,
    /// Checksums of the output files.
    pub checksums: Vec<Checksum>,
    /// Checks, each with the element (or recipe) that requires it.
    pub checks: Vec<(String, Check)>,
    /// Verification settings, if any. They are no ingredient of any key.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub verify: Option<Verify>,
    /// Targets, if the image should be published. They are no ingredient of any key.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub publish: Vec<Target>,
    /// Sources of secrets. A plan never contains their values.
    pub secrets: BTreeMap<String, SecretSource>,
    /// Notes that are no errors, such as a shadowed element.
    pub notes: Vec<String>,
}

impl Plan {
    /// Returns the time of the image, in seconds since 1970: the time of the last change of its repositories. Files get it
    /// instead of the time of the build. `None` for every other base.
    ///
    /// It is no ingredient of a layer key: it follows from the digests of the repositories, and these are ingredients.
    pub fn epoch(&self) -> Option<u64> {
        match &self.base {
            BasePlan::Bootstrap { repositories, .. } => repositories.iter().map(|pin| pin.date).max(),
            BasePlan::Image { .. } | BasePlan::Tree { .. } | BasePlan::Installer(_) => None,
        }
    }
}
