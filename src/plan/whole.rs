//! The whole plan.

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
