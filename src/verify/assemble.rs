//! Puts all findings about an image into one report.

use super::boot::Booted;
use super::{Examination, ImageFacts, Outcome, Report};
use crate::recipe::verify::Accept;

impl Report {
    /// Creates the report of an image that was examined and booted, and marks the failures that the recipe accepts.
    pub fn new(name: &str, image: &str, seen: Examination, booted: Option<Booted>, accept: &[Accept]) -> Self {
        let Examination { mut findings, subject, usage, packages } = seen;
        let (boots, facts, sha256) = match booted {
            Some(booted) => {
                findings.extend(booted.boots.iter().flat_map(|boot| boot.findings.iter().cloned()));
                findings.extend(booted.findings);
                (booted.boots, booted.facts, Some(booted.sha256.to_string()))
            }
            None => (Vec::new(), ImageFacts { subject, ..ImageFacts::default() }, None),
        };
        for finding in findings.iter_mut().filter(|finding| finding.outcome == Outcome::Failed) {
            let known = accept.iter().find(|accept| accept.check == finding.id);
            finding.accepted = known.map(|accept| accept.because.clone());
        }
        Self { name: name.to_owned(), image: image.to_owned(), sha256, findings, boots, facts, usage, packages }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::verify::boot::rules;

    #[test]
    fn failures_that_are_accepted_do_not_count() {
        let rule = rules().find(|rule| rule.id == "clock").expect("a rule");
        let seen = || Examination { findings: vec![rule.failed(["off"])], ..Examination::default() };
        assert!(!Report::new("x", "x.qcow2", seen(), None, &[]).passed());
        let accept = [Accept { check: "clock".to_owned(), because: "it is a museum".to_owned() }];
        let report = Report::new("x", "x.qcow2", seen(), None, &accept);
        assert!(report.passed());
        assert_eq!(report.findings[0].accepted.as_deref(), Some("it is a museum"));
    }
}
