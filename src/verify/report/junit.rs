//! The report as JUnit's XML, in the form that Jenkins and GitLab read.
//!
//! The file has a suite for the disk, one for each boot, and a case for each finding. A warning, or a failure that the recipe
//! accepts, is a case that passed and says so in its output. So a service that reads this file reaches the same verdict as
//! Goldsmith.

use std::time::Duration;

use quick_junit::{NonSuccessKind, Report as Xml, TestCase, TestCaseStatus, TestSuite};

use super::excerpt::excerpt;
use crate::verify::{Boot, Finding, Outcome, Report, Severity};

/// Returns the content of the file.
pub fn xml(report: &Report) -> String {
    let mut xml = Xml::new(format!("goldsmith verify {}", report.name));
    let looked: Vec<_> = report.findings.iter().filter(|finding| finding.profile.is_none()).collect();
    if !looked.is_empty() {
        xml.add_test_suite(suite(report, "static", &looked, None));
    }
    for boot in &report.boots {
        let profile = boot.profile.to_string();
        let found: Vec<_> =
            report.findings.iter().filter(|finding| finding.profile.as_deref() == Some(profile.as_str())).collect();
        xml.add_test_suite(suite(report, &profile, &found, Some(boot)));
    }
    text(&xml)
}

fn text(xml: &Xml) -> String {
    let text = xml.to_string().expect("all text is UTF-8, and memory cannot be full");
    // The schema of Jenkins (junit-10.xsd of its xunit-plugin) allows this attribute on each suite, but not on their parent.
    // Quotes within attributes are escaped, so the first match belongs to the parent.
    text.replacen(&format!(" skipped=\"{}\"", xml.skipped), "", 1)
}

/// An image of a batch, for [`batch`].
#[derive(Debug)]
pub struct BatchImage<'a> {
    /// Name of the image.
    pub name: &'a str,
    /// Time that its build took.
    pub elapsed: Duration,
    /// Why it was not made or not verified: in a line, and in full.
    pub failure: Option<(String, String)>,
    /// Content of the file about its checks, if it was verified.
    pub report: Option<String>,
}

/// Returns the content of the file about several images: a case for each, and the suites of those that were verified.
pub fn batch(images: &[BatchImage<'_>]) -> String {
    let mut xml = Xml::new("goldsmith build");
    let mut suite = TestSuite::new("images");
    for image in images {
        let status = match &image.failure {
            None => TestCaseStatus::success(),
            Some((message, text)) => {
                let mut status = TestCaseStatus::non_success(NonSuccessKind::Failure);
                status.set_message(message.as_str()).set_type("build").set_description(text.as_str());
                status
            }
        };
        let mut case = TestCase::new(image.name, status);
        case.set_classname("goldsmith.build").set_time(image.elapsed);
        suite.add_test_case(case);
    }
    xml.add_test_suite(suite);
    let reports = images.iter().filter_map(|image| Xml::deserialize_from_str(image.report.as_deref()?).ok());
    xml.add_test_suites(reports.flat_map(|report| report.test_suites));
    text(&xml)
}

fn suite(report: &Report, name: &str, findings: &[&Finding], boot: Option<&Boot>) -> TestSuite {
    let mut suite = TestSuite::new(format!("{} {name}", report.name));
    // Services split names at dots into folders.
    let folder = format!("{}.{}", report.name.replace('.', "_"), name.replace('/', "-"));
    suite.add_test_cases(findings.iter().map(|finding| case(finding, &folder)));
    if let Some(boot) = boot {
        let last = boot.milestones.last().map_or(0.0, |milestone| milestone.seconds);
        suite.set_time(Duration::try_from_secs_f64(last).unwrap_or_default());
        suite.set_system_out(excerpt(&boot.serial));
    }
    suite
}

fn case(finding: &Finding, folder: &str) -> TestCase {
    let mut said = Vec::new();
    let status = match finding.outcome {
        Outcome::Passed => TestCaseStatus::success(),
        Outcome::Skipped => {
            let mut status = TestCaseStatus::skipped();
            status.set_message(finding.evidence.first().map_or("not checked", String::as_str));
            status
        }
        Outcome::Failed if finding.counts() => {
            let mut status = TestCaseStatus::non_success(NonSuccessKind::Failure);
            let first = finding.evidence.first().map(|line| format!(": {line}")).unwrap_or_default();
            status.set_message(format!("not so: {}{first}", finding.sentence)).set_type(finding.id.as_str());
            status.set_description(advice(finding));
            status
        }
        Outcome::Failed => {
            said.push(match (&finding.accepted, finding.severity) {
                (Some(because), _) => format!("failed, and that is accepted: {because}"),
                (None, Severity::Warning | Severity::Error) => "warning: this is not so".to_owned(),
                (None, Severity::Info) => "note: this is not so".to_owned(),
            });
            said.push(advice(finding));
            TestCaseStatus::success()
        }
    };
    let mut case = TestCase::new(format!("{}: {}", finding.id, finding.sentence), status);
    case.set_classname(format!("{folder}.{}", finding.group.name()));
    if finding.outcome == Outcome::Passed {
        said.extend(finding.evidence.iter().cloned());
    }
    if !said.is_empty() {
        case.set_system_out(said.join("\n"));
    }
    case
}

/// Returns the evidence, the reason and the advice.
fn advice(finding: &Finding) -> String {
    let mut lines = finding.evidence.clone();
    lines.push(format!("why: {}", finding.reason));
    lines.push(format!("what to do: {}", finding.mend));
    lines.extend(finding.page.clone());
    lines.join("\n")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn several_images_have_a_case_each_and_the_suites_of_their_checks() {
        let mut checks = Xml::new("goldsmith verify good");
        let mut suite = TestSuite::new("good static");
        suite.add_test_case(TestCase::new("sshd: an SSH server starts", TestCaseStatus::success()));
        checks.add_test_suite(suite);
        let image = |name, failure: Option<(&str, &str)>, report| BatchImage {
            name,
            elapsed: Duration::from_secs(2),
            failure: failure.map(|(message, text)| (message.to_owned(), text.to_owned())),
            report,
        };
        let text = batch(&[
            image("good", None, Some(text(&checks))),
            image(
                "bad",
                Some(("step `x` failed", "error: step `x` failed\n  caused by: y")),
                Some("no XML".to_owned()),
            ),
        ]);
        let read = Xml::deserialize_from_str(&text).expect("it is a report");
        let names: Vec<_> = read.test_suites.iter().map(|suite| suite.name.as_str()).collect();
        assert_eq!((names, read.tests, read.failures), (vec!["images", "good static"], 3, 1), "{text}");
        assert!(text.contains("message=\"step `x` failed\"") && text.contains("caused by: y"), "{text}");
    }
}
