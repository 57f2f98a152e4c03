//! Output about a verified image: its result, and the failed checks.

use std::path::Path;

use serde_json::json;

use crate::cli::failure::{Failure, FailureKind};
use crate::cli::output::print;
use crate::cli::view::View;
use crate::export::Exported;
use crate::pipeline::Verdict;
use crate::verify::report;
use crate::verify::{Report, Tally};

/// Prints that the image has passed; for programs a line with the result, passed or not.
pub(super) fn print_verdict(verdict: &Verdict, exported: &Exported, view: &View) {
    let page = exported.dir.join(report::HTML);
    view.line(&json!({ "event": "verified", "passed": verdict.passed(), "tally": tally(verdict), "report": page }));
    if view.is_screen() && verdict.passed() {
        print(&format!("{}; {} shows all of it\n", text(verdict), page.display()));
    }
}

/// Returns the result in a few words.
pub(super) fn text(verdict: &Verdict) -> String {
    tally(verdict).map_or("verified before".to_owned(), |tally| format!("verified: {tally}"))
}

fn tally(verdict: &Verdict) -> Option<Tally> {
    match verdict {
        Verdict::Before => None,
        Verdict::Now(report) => Some(Tally::of(&report.findings)),
    }
}

/// Returns a failure if the image has not passed.
pub(super) fn judge(verdict: &Verdict, exported: &Exported) -> Result<(), Failure> {
    match verdict {
        Verdict::Now(report) if !report.passed() => Err(failure(report, &exported.dir.join(report::HTML))),
        _ => Ok(()),
    }
}

fn failure(report: &Report, page: &Path) -> Failure {
    let mut failure = Failure::of(FailureKind::Verification, format!("the image {} failed its checks", report.image));
    for finding in report.findings.iter().filter(|finding| finding.counts()) {
        let place = finding.profile.as_ref().map(|profile| format!(" ({profile})")).unwrap_or_default();
        let seen = finding.evidence.first().map(|line| format!(": {line}")).unwrap_or_default();
        failure.causes.push(format!("{}{place}, not so: {}{seen}; {}", finding.id, finding.sentence, finding.mend));
    }
    failure.hint(format!("{} shows everything that was seen", page.display()))
}
