//! `manifest.json`: what an image is and what it was made of.

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

/// Name of the file.
pub const FILE: &str = "manifest.json";

/// Longest manifest that is read, in bytes. Those of images with ten thousand packages have one megabyte.
const LIMIT: u64 = 16 << 20;

/// Version of the manifest's form.
const FORMAT: u32 = 1;

/// The recipe an image was made of.
#[derive(Debug, Clone, Serialize)]
pub struct RecipeInfo {
    /// File name of the recipe, without its directory.
    pub file: String,
    /// Digest of its text.
    pub sha256: Sha256,
}

/// All that is known about an image.
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
    /// What floated when the image was planned, as it was then.
    base: &'a BasePlan,
    disk: &'a DiskPlan,
    /// The final layer: the same key means the same disk.
    layer: LayerKey,
    steps: Vec<StepInfo>,
    artifacts: &'a [Artifact],
    /// How the image is booted without its boot loader, where an output needed to know: kernel, initial RAM disk,
    /// arguments, and the place of the root file system on the disk.
    #[serde(skip_serializing_if = "Option::is_none")]
    boot: Option<BootFacts>,
    /// What elements promise of the image.
    checks: &'a [(String, Check)],
    /// How it is verified, if the recipe says so.
    #[serde(skip_serializing_if = "Option::is_none")]
    verify: Option<&'a Verify>,
    /// Packages of the image: name, version, architecture.
    packages: Value,
    /// When the final disk was made, RFC 3339.
    created: &'a str,
    tools: BTreeMap<&'static str, String>,
}

/// One step of the build.
#[derive(Debug, Clone, Serialize)]
struct StepInfo {
    step: String,
    layer: LayerKey,
    /// Seconds it took when its layer was made.
    seconds: f64,
}

/// The part of a manifest that is read again.
#[derive(Debug, Clone, Deserialize)]
pub struct Summary {
    /// Name of the image.
    pub name: String,
    /// Its architecture.
    pub arch: Arch,
    /// Its distribution.
    pub distro: Distro,
    /// The final layer.
    pub layer: LayerKey,
    /// When the final disk was made.
    #[serde(default)]
    pub created: Option<jiff::Timestamp>,
    /// What was made of it.
    pub artifacts: Vec<Artifact>,
    /// What elements promise of the image.
    #[serde(default)]
    pub checks: Vec<(String, Check)>,
    /// How it is verified.
    #[serde(default)]
    pub verify: Option<Verify>,
    /// What was found out about it, for whoever publishes it.
    #[serde(default)]
    pub facts: Option<Value>,
    /// What verifying came to.
    #[serde(default)]
    pub verified: Option<Verified>,
}

/// Content of the manifest in a directory, which may be anybody's.
///
/// # Errors
///
/// There is none, it is no regular file, or it is longer than any manifest.
pub fn read(dir: &Path) -> Result<Vec<u8>, PathError> {
    read_regular(&dir.join(FILE), LIMIT)
}

/// What verifying an image came to.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct Verified {
    /// Digest of all that the result depends on: the image, what it must keep, and how that is looked at.
    pub key: Sha256,
    /// Whether nothing failed that counts.
    pub passed: bool,
}

impl Summary {
    /// The manifest in a directory; `None` if there is none that can be understood.
    pub fn read(dir: &Path) -> Option<Self> {
        serde_json::from_slice(&read(dir).ok()?).ok()
    }

    /// The manifest beside an image, if it speaks of that file.
    pub fn of_image(image: &Path) -> Option<Self> {
        let dir = image.parent().filter(|dir| !dir.as_os_str().is_empty()).unwrap_or(Path::new("."));
        let name = image.file_name()?.to_str()?;
        Self::read(dir).filter(|summary| summary.artifacts.iter().any(|artifact| artifact.file == name))
    }

    /// Brings what does not depend on the disk up to date in the manifest of a directory.
    pub(super) fn refresh(&self, dir: &Path, plan: &Plan) -> Result<(), PathError> {
        if self.checks == plan.checks && self.verify == plan.verify {
            return Ok(());
        }
        amend(dir, [("checks", json!(plan.checks)), ("verify", json!(plan.verify))])
    }
}

/// Adds entries to the manifest in a directory, in place of those of the same names.
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
    /// Gathers everything. Asks the tools for their versions.
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
        if let BasePlan::Bootstrap { .. } = plan.base {
            tools.extend(tool_version("mmdebstrap").map(|version| ("mmdebstrap", version)));
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

    /// The file's content.
    pub fn to_json(&self) -> Vec<u8> {
        json_of(self)
    }
}

/// What a tool says of its version, in one line.
fn tool_version(tool: &str) -> Option<String> {
    let said = process::capture(std::process::Command::new(tool).arg("--version")).ok()?;
    Some(said.lines().next()?.trim_start_matches(tool).trim().to_owned())
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Opening a pipe without a writer would wait for ever, and so would reading a device without an end.
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
