//! The manifest of an image, `manifest.json`: what the image is, and how it was built.

use std::collections::BTreeMap;
use std::path::Path;

use serde::{Deserialize, Serialize};
use serde_json::{Map, Value, json};

use super::artifact::Artifact;
use crate::build::{BootFacts, FinalDisk, boot_facts};
use crate::digest::Sha256;
use crate::disk::qemu_img::QemuImg;
use crate::element::schema::Check;
use crate::fsx::{IoContext as _, PathError, read_regular, write_atomic};
use crate::layer::LayerKey;
use crate::plan::{BasePlan, DiskPlan, Distro, Plan};
use crate::process;
use crate::recipe::{Arch, Verify};

/// File name of the manifest.
pub const FILE: &str = "manifest.json";

/// Size limit of manifests, in bytes. That of an image with ten thousand packages has one megabyte.
const LIMIT: u64 = 16 << 20;

/// Version of the manifest's format.
const FORMAT: u32 = 1;

/// The recipe of an image.
#[derive(Debug, Clone, Serialize)]
pub struct RecipeInfo {
    /// File name of the recipe, without its directory.
    pub file: String,
    /// Digest of the recipe's text.
    pub sha256: Sha256,
    /// Files that it includes, from its directory, and digests of their texts.
    #[serde(skip_serializing_if = "BTreeMap::is_empty")]
    pub included: BTreeMap<String, Sha256>,
}

/// The manifest, with all facts about an image.
#[derive(Debug, Clone, Serialize)]
pub struct Manifest<'a> {
    format: u32,
    name: &'a str,
    #[serde(skip_serializing_if = "Option::is_none")]
    description: Option<&'a str>,
    arch: Arch,
    distro: &'a Distro,
    recipe: &'a RecipeInfo,
    params: &'a BTreeMap<String, Value>,
    /// The base, with the pins of this build.
    base: &'a BasePlan,
    disk: &'a DiskPlan,
    /// Names of the elements, in order.
    elements: &'a [String],
    /// Key of the final layer: the same key means the same disk.
    layer: LayerKey,
    steps: Vec<StepInfo>,
    artifacts: &'a [Artifact],
    /// Facts for booting the image without its boot loader, if an output needed them: kernel, initial RAM disk, arguments, and
    /// the place of the root file system on the disk.
    #[serde(skip_serializing_if = "Option::is_none")]
    boot: Option<BootFacts>,
    /// Checks of elements.
    checks: &'a [(String, Check)],
    /// Verification settings, if the recipe has them.
    #[serde(skip_serializing_if = "Option::is_none")]
    verify: Option<&'a Verify>,
    /// Packages of the image: name, version, architecture.
    packages: Value,
    /// Time when the final disk was made, RFC 3339.
    created: &'a str,
    tools: BTreeMap<&'static str, String>,
}

/// One step of the build.
#[derive(Debug, Clone, Serialize)]
struct StepInfo {
    step: String,
    layer: LayerKey,
    /// Duration of making its layer, in seconds.
    seconds: f64,
}

/// The part of a manifest that Goldsmith reads.
#[derive(Debug, Clone, Deserialize)]
pub struct Summary {
    /// Name of the image.
    pub name: String,
    /// Architecture.
    pub arch: Arch,
    /// Distribution.
    pub distro: Distro,
    /// Key of the final layer.
    pub layer: LayerKey,
    /// Time when the final disk was made.
    #[serde(default)]
    pub created: Option<jiff::Timestamp>,
    /// Artifacts.
    pub artifacts: Vec<Artifact>,
    /// Checks of elements.
    #[serde(default)]
    pub checks: Vec<(String, Check)>,
    /// Verification settings.
    #[serde(default)]
    pub verify: Option<Verify>,
    /// Facts that verification found, for publishing.
    #[serde(default)]
    pub facts: Option<Value>,
    /// Result of verification.
    #[serde(default)]
    pub verified: Option<Verified>,
}

/// Reads the manifest in a directory. Its content is not trusted.
///
/// # Errors
///
/// If there is none, if it is no regular file, or if it is longer than the limit.
pub fn read(dir: &Path) -> Result<Vec<u8>, PathError> {
    read_regular(&dir.join(FILE), LIMIT)
}

/// The result of verifying an image.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct Verified {
    /// Digest of everything that the result depends on: the image, its checks, and how they are judged.
    pub key: Sha256,
    /// Whether all checks that count passed.
    pub passed: bool,
}

impl Summary {
    /// Reads the manifest in a directory; `None` if there is none or it is not understood.
    pub fn read(dir: &Path) -> Option<Self> {
        serde_json::from_slice(&read(dir).ok()?).ok()
    }

    /// Reads the manifest beside an image, if it lists that file.
    pub fn of_image(image: &Path) -> Option<Self> {
        let dir = image.parent().filter(|dir| !dir.as_os_str().is_empty()).unwrap_or(Path::new("."));
        let name = image.file_name()?.to_str()?;
        Self::read(dir).filter(|summary| summary.artifacts.iter().any(|artifact| artifact.file == name))
    }

    /// Updates the entries that do not depend on the disk in the manifest of a directory.
    pub(super) fn refresh(&self, dir: &Path, plan: &Plan) -> Result<(), PathError> {
        if self.checks == plan.checks && self.verify == plan.verify {
            return Ok(());
        }
        amend(dir, [("checks", json!(plan.checks)), ("verify", json!(plan.verify))])
    }
}

/// Adds entries to the manifest in a directory, or replaces them.
pub(super) fn amend<const N: usize>(dir: &Path, entries: [(&str, Value); N]) -> Result<(), PathError> {
    let path = dir.join(FILE);
    let mut manifest: Map<String, Value> =
        serde_json::from_slice(&read(dir)?).map_err(std::io::Error::from).at(&path)?;
    manifest.extend(entries.map(|(name, value)| (name.to_owned(), value)));
    write_atomic(&path, &json_of(&manifest))
}

fn json_of(manifest: &impl Serialize) -> Vec<u8> {
    let mut json = serde_json::to_vec_pretty(manifest).expect("every key of a manifest is a string");
    json.push(b'\n');
    json
}

impl<'a> Manifest<'a> {
    /// Collects all facts, and asks the tools for their versions.
    pub fn new(
        plan: &'a Plan,
        disk: &'a FinalDisk,
        recipe: &'a RecipeInfo,
        artifacts: &'a [Artifact],
        qemu_img: &QemuImg,
    ) -> Self {
        let steps = plan
            .steps
            .iter()
            .zip(&disk.timings)
            .map(|(step, (_, seconds))| StepInfo { step: step.id.to_string(), layer: step.key, seconds: *seconds })
            .collect();
        let mut tools = BTreeMap::from([("goldsmith", env!("CARGO_PKG_VERSION").to_owned())]);
        tools.extend(crate::guest::libguestfs::version().ok().map(|version| ("libguestfs", version)));
        tools.extend(qemu_img.version().ok().map(|version| ("qemu-img", version)));
        if let (BasePlan::Bootstrap { .. }, Some(how)) = (&plan.base, &plan.os.bootstrap) {
            tools.extend(tool_version(how.tool.name()).map(|version| (how.tool.name(), version)));
        }
        Self {
            format: FORMAT,
            name: &plan.name,
            description: plan.description.as_deref(),
            arch: plan.arch,
            distro: &plan.distro,
            recipe,
            params: &plan.params,
            base: &plan.base,
            disk: &plan.disk,
            elements: &plan.elements,
            layer: disk.layer.key,
            steps,
            artifacts,
            boot: boot_facts(&disk.layer),
            checks: &plan.checks,
            verify: plan.verify.as_ref(),
            packages: disk.layer.meta.facts.get("packages").cloned().unwrap_or(Value::Null),
            created: &disk.layer.meta.created,
            tools,
        }
    }

    /// Returns the content of the file.
    pub fn to_json(&self) -> Vec<u8> {
        json_of(self)
    }
}

/// Returns the version of a tool, in one line.
fn tool_version(tool: &str) -> Option<String> {
    let said = process::capture(std::process::Command::new(tool).arg("--version")).ok()?;
    Some(said.lines().next()?.trim_start_matches(tool).trim().to_owned())
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Opening a pipe without a writer would block forever, and so would reading a device without an end.
    #[test]
    fn what_is_no_manifest_is_not_waited_for() {
        let dir = tempfile::tempdir().expect("a temporary directory");
        let path = dir.path().join(FILE);
        let (done, told) = std::sync::mpsc::channel();
        let reads = |done: std::sync::mpsc::Sender<String>, dir: std::path::PathBuf| {
            std::thread::spawn(move || done.send(read(&dir).expect_err("it is no manifest").source.to_string()));
        };
        let answer = || told.recv_timeout(std::time::Duration::from_secs(20)).expect("an answer in time");
        rustix::fs::mkfifoat(rustix::fs::CWD, &path, 0o600.into()).expect("a pipe");
        reads(done.clone(), dir.path().to_owned());
        assert_eq!(answer(), "it is no regular file");
        std::fs::remove_file(&path).expect("removed");
        std::os::unix::fs::symlink("/dev/zero", &path).expect("a link");
        reads(done.clone(), dir.path().to_owned());
        assert_eq!(answer(), "it is no regular file");
        std::fs::remove_file(&path).expect("removed");
        std::fs::File::create(&path).and_then(|file| file.set_len(LIMIT + 1)).expect("a sparse file");
        reads(done, dir.path().to_owned());
        assert_eq!(answer(), format!("it is longer than {LIMIT} bytes"));
        assert!(Summary::read(dir.path()).is_none());
    }
}
