//! The last stage of a build: its image is booted, and reports are written beside it.

use std::io::Stdout;
use std::path::Path;

use serde_json::{Value, json};

use super::Preparation;
use crate::cli::failure::{Failure, FailureKind};
use crate::cli::jsonl::JsonReporter;
use crate::cli::{booting, hints, print};
use crate::export::manifest::{self, Summary, Verified};
use crate::export::{self, Exported};
use crate::image::local;
use crate::plan::Plan;
use crate::recipe::Verify;
use crate::verify::report::{self, BuildInfo};
use crate::verify::{self, Examination, Report, Tally};

/// What verifying came to.
pub(super) enum Verdict {
    /// The same image has passed before.
    Before,
    /// What was seen now.
    Now(Box<Report>),
}

impl Preparation {
    /// Boots the first artifact that is a disk, and writes the reports beside it.
    pub(super) fn verify(
        &self,
        plan: &Plan,
        settings: &Verify,
        seen: Option<Value>,
        exported: &Exported,
    ) -> Result<Verdict, Failure> {
        let disk = exported.artifacts.iter().find(|artifact| artifact.output.format.is_disk());
        // Where there is no disk, the final layer stands for what was looked at.
        let digest = disk.map_or(*plan.steps[plan.steps.len() - 1].key.digest(), |artifact| artifact.digests.sha256);
        let key = verify::key(&digest, &plan.checks, settings);
        let known = Summary::read(&exported.dir).and_then(|manifest| manifest.verified);
        let written = [report::HTML, report::JSON, report::JUNIT].iter().all(|file| exported.dir.join(file).is_file());
        if known == Some(Verified { key, passed: true }) && written {
            return Ok(Verdict::Before);
        }
        // Without it, what was not looked at would count as passed.
        let seen = seen.and_then(|seen| serde_json::from_value::<Examination>(seen).ok()).ok_or_else(|| {
            Failure::of(FailureKind::Verification, "what was seen of the disk is not to be read in its layer")
                .hint("`goldsmith cache verify --repair` removes damaged layers; build it again after that")
        })?;
        let booted = match disk {
            Some(artifact) => {
                let image = exported.dir.join(&artifact.file);
                let copy = self.private.path().join("disk.raw");
                let local = local::prepare(&image, &copy, &self.workshop.interrupt);
                booting::boot(&booting::Request {
                    image: &image,
                    local: &local.map_err(|error| hints::local(&error))?,
                    verify: settings,
                    checks: &plan.checks,
                    subject: &seen.subject,
                    launcher: &self.launcher,
                    cache: &self.cache,
                    private: self.private.path(),
                    reporter: &self.workshop.reporter,
                    interrupt: &self.workshop.interrupt,
                })?
            }
            None => None,
        };
        let file = disk.map(|artifact| artifact.file.clone()).unwrap_or_default();
        let report = Report::new(&plan.name, &file, seen, booted, &settings.accept);
        let manifest = std::fs::read(exported.dir.join(manifest::FILE)).unwrap_or_default();
        let info = BuildInfo::of_manifest(&manifest).map(|info| info.timed(&self.recorder));
        report::write(&exported.dir, &report, info.as_ref()).map_err(|error| hints::file(&error))?;
        let verified = Verified { key, passed: report.passed() };
        export::verified(exported, json!(report.facts), verified, &self.workshop.interrupt)
            .map_err(|error| hints::export(&error))?;
        Ok(Verdict::Now(Box::new(report)))
    }
}

impl Verdict {
    /// What to tell, and whether it is a failure. `json` gets a line of its own.
    pub(super) fn told(&self, exported: &Exported, json: Option<&JsonReporter<Stdout>>) -> Result<(), Failure> {
        let page = exported.dir.join(report::HTML);
        if let Some(json) = json {
            let (passed, tally) = match self {
                Self::Before => (true, None),
                Self::Now(report) => (report.passed(), Some(Tally::of(&report.findings))),
            };
            json.line(&json!({ "event": "verified", "passed": passed, "tally": tally, "report": page }));
        }
        let text = match self {
            Self::Before => "verified before".to_owned(),
            Self::Now(report) if report.passed() => format!("verified: {}", Tally::of(&report.findings)),
            Self::Now(report) => return Err(failure(report, &page)),
        };
        if json.is_none() {
            print(&format!("{text}; {} shows all of it\n", page.display()));
        }
        Ok(())
    }
}

fn failure(report: &Report, page: &Path) -> Failure {
    let mut failure = Failure::of(FailureKind::Verification, format!("{} is not as it should be", report.image));
    for finding in report.findings.iter().filter(|finding| finding.counts()) {
        let place = finding.profile.as_ref().map(|profile| format!(" ({profile})")).unwrap_or_default();
        let seen = finding.evidence.first().map(|line| format!(": {line}")).unwrap_or_default();
        failure.causes.push(format!("{}{place}, not so: {}{seen}; {}", finding.id, finding.sentence, finding.mend));
    }
    failure.hint(format!("{} shows everything that was seen", page.display()))
}
