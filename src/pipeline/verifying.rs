//! The verification stage: it boots the image and writes reports beside it.

use serde_json::{Value, json};

use super::error::PipelineError;
use super::host::{BootRequest, Host};
use crate::build::Workshop;
use crate::export::manifest::{self, Summary, Verified};
use crate::export::{self, Exported};
use crate::image::local;
use crate::plan::Plan;
use crate::recipe::Verify;
use crate::verify::report::{self, BuildInfo, Recorder};
use crate::verify::{self, Examination, Report};

/// The result of verifying an image.
#[derive(Debug)]
pub enum Verdict {
    /// The same image has passed before.
    Before,
    /// The report of this run.
    Now(Box<Report>),
}

impl Verdict {
    /// Returns whether the image passed.
    pub fn passed(&self) -> bool {
        match self {
            Self::Before => true,
            Self::Now(report) => report.passed(),
        }
    }
}

/// The image to verify.
pub(super) struct Verifying<'a> {
    pub(super) plan: &'a Plan,
    pub(super) settings: &'a Verify,
    pub(super) exported: &'a Exported,
    /// Is called when it begins, unless the same image has passed before.
    pub(super) begins: &'a mut dyn FnMut(),
}

impl Verifying<'_> {
    /// Boots the first artifact that is a disk, and writes the reports beside it. `seen` is the result of the checks of the disk,
    /// from the final layer.
    pub(super) fn run(
        self,
        workshop: &Workshop,
        host: &dyn Host,
        recorder: &Recorder,
        seen: Option<Value>,
    ) -> Result<Verdict, PipelineError> {
        let Self { plan, settings, exported, begins } = self;
        let disk = exported.artifacts.iter().find(|artifact| artifact.output.format.is_disk());
        // Without a disk, the key is that of the final layer.
        let digest = disk.map_or(*plan.steps[plan.steps.len() - 1].key.digest(), |artifact| artifact.digests.sha256);
        let key = verify::key(&digest, &plan.checks, settings);
        let known = Summary::read(&exported.dir).and_then(|manifest| manifest.verified);
        let written = [report::HTML, report::JSON, report::JUNIT].iter().all(|file| exported.dir.join(file).is_file());
        if known == Some(Verified { key, passed: true }) && written {
            return Ok(Verdict::Before);
        }
        begins();
        // Without this error, checks that did not run would count as passed.
        let seen = seen
            .and_then(|seen| serde_json::from_value::<Examination>(seen).ok())
            .ok_or(PipelineError::LostExamination)?;
        let booted = match disk {
            Some(artifact) => {
                let image = exported.dir.join(&artifact.file);
                let copy = workshop.scratch.join("disk.raw");
                let local = local::prepare(&image, &copy, &workshop.interrupt)?;
                host.boot(&BootRequest {
                    image: &image,
                    local: &local,
                    verify: settings,
                    checks: &plan.checks,
                    subject: &seen.subject,
                    reporter: &workshop.reporter,
                    interrupt: &workshop.interrupt,
                })?
            }
            None => None,
        };
        let file = disk.map(|artifact| artifact.file.clone()).unwrap_or_default();
        let report = Report::new(&plan.name, &file, seen, booted, &settings.accept);
        let manifest = manifest::read(&exported.dir).unwrap_or_default();
        let info = BuildInfo::of_manifest(&manifest).map(|info| info.timed(recorder));
        report::write(&exported.dir, &report, info.as_ref())?;
        let verified = Verified { key, passed: report.passed() };
        export::verified(exported, json!(report.facts), verified, &workshop.interrupt)?;
        Ok(Verdict::Now(Box::new(report)))
    }
}
