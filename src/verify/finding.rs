//! Rules, and findings about them.

use serde::{Deserialize, Serialize};

/// Largest number of lines of evidence in a finding, and of characters in a line.
const EVIDENCE: (usize, usize) = (20, 400);

/// The severity of a broken rule.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Severity {
    /// Good to know.
    Info,
    /// It works, but not as well as it should.
    Warning,
    /// An instance of the image does not work, or is not safe.
    Error,
}

/// The subject of a rule.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Group {
    /// Partitions, file systems, growth.
    Disk,
    /// Boot loader, kernel, console.
    Boot,
    /// Network cards, names, firewall.
    Network,
    /// Accounts and logins.
    Access,
    /// Data from the cloud.
    Metadata,
    /// Values that two machines must not share, and leftovers of building.
    Hygiene,
    /// Running services.
    Services,
    /// Promises of elements.
    Element,
}

impl Group {
    /// Returns the name that reports use.
    pub fn name(self) -> &'static str {
        match self {
            Self::Disk => "disk",
            Self::Boot => "boot",
            Self::Network => "network",
            Self::Access => "access",
            Self::Metadata => "metadata",
            Self::Hygiene => "hygiene",
            Self::Services => "services",
            Self::Element => "element",
        }
    }
}

/// The stage in which a rule is checked.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Stage {
    /// The disk is examined.
    Static,
    /// The image is booted.
    Booted,
}

/// Something that must be true of every image.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
pub struct Rule {
    /// Name, unique and stable: `root-last`.
    pub id: &'static str,
    /// The subject.
    pub group: Group,
    /// The stage in which it is checked.
    pub stage: Stage,
    /// The severity if it is broken.
    pub severity: Severity,
    /// The statement, a sentence without its full stop: `The root partition is the last one`.
    pub sentence: &'static str,
    /// The reason for it.
    pub reason: &'static str,
    /// A web page with the source.
    pub page: Option<&'static str>,
    /// Advice: `add the element growpart`.
    pub mend: &'static str,
}

/// The common part of all checks of elements, of the disk and of the running image. Each has its own id and sentence.
pub(super) const ELEMENT_CHECK: Rule = Rule {
    id: "element",
    group: Group::Element,
    stage: Stage::Static,
    severity: Severity::Error,
    sentence: "The image has what its elements promise",
    reason: "The element promises it of every image that has it.",
    page: None,
    mend: "find the step that undoes it: an element or a step of the recipe that comes later",
};

/// The outcome of a rule.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Outcome {
    /// The image keeps it.
    Passed,
    /// The image breaks it.
    Failed,
    /// It could not be checked, or does not apply; the evidence says why.
    Skipped,
}

/// The finding about one rule, or about one check of an element.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Finding {
    /// The rule's id; for a check of an element, `<element>/<number>` counted from 1.
    pub id: String,
    /// The subject.
    pub group: Group,
    /// The severity of a failure.
    pub severity: Severity,
    /// The outcome.
    pub outcome: Outcome,
    /// The statement that is true if it passed.
    pub sentence: String,
    /// The evidence, line by line, made printable.
    pub evidence: Vec<String>,
    /// The reason for the rule.
    pub reason: String,
    /// A web page with the source.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub page: Option<String>,
    /// Advice for a failure.
    pub mend: String,
    /// The profile that the image was booted with: `uefi/config-drive`; `None` if it was not booted.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub profile: Option<String>,
    /// The reason why the recipe accepts a failure, if it does.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub accepted: Option<String>,
}

impl Rule {
    /// Returns a finding that the rule is kept. `evidence` says what was seen: `partition 3 of 3`.
    pub fn passed<T: AsRef<str>>(&self, evidence: impl IntoIterator<Item = T>) -> Finding {
        self.found(Outcome::Passed, evidence)
    }

    /// Returns a finding that the rule is broken.
    pub fn failed<T: AsRef<str>>(&self, evidence: impl IntoIterator<Item = T>) -> Finding {
        self.found(Outcome::Failed, evidence)
    }

    /// Returns a finding that the rule could not be checked, or does not apply.
    pub fn skipped(&self, why: &str) -> Finding {
        self.found(Outcome::Skipped, [why])
    }

    /// Returns a finding that the rule is kept if `against` is empty, and else broken.
    pub fn unless<T: AsRef<str>>(&self, against: impl IntoIterator<Item = T>) -> Finding {
        let mut against = against.into_iter().peekable();
        if against.peek().is_some() { self.failed(against) } else { self.passed::<&str>([]) }
    }

    fn found<T: AsRef<str>>(&self, outcome: Outcome, evidence: impl IntoIterator<Item = T>) -> Finding {
        Finding {
            id: self.id.to_owned(),
            group: self.group,
            severity: self.severity,
            outcome,
            sentence: self.sentence.to_owned(),
            evidence: evidence.into_iter().take(EVIDENCE.0).map(|line| printable(line.as_ref())).collect(),
            reason: self.reason.to_owned(),
            page: self.page.map(str::to_owned),
            mend: self.mend.to_owned(),
            profile: None,
            accepted: None,
        }
    }
}

impl Finding {
    /// Returns whether it makes the image fail: an error that the recipe does not accept.
    pub fn counts(&self) -> bool {
        self.outcome == Outcome::Failed && self.severity == Severity::Error && self.accepted.is_none()
    }
}

/// Returns text of the image, which may have any content, as one line.
fn printable(text: &str) -> String {
    let text = crate::text::printable(text.as_bytes());
    match text.char_indices().nth(EVIDENCE.1) {
        Some((end, _)) => format!("{}...", &text[..end]),
        None => text,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const RULE: Rule = Rule {
        id: "no-test",
        group: Group::Disk,
        stage: Stage::Static,
        severity: Severity::Error,
        sentence: "There is none",
        reason: "It is a test.",
        page: None,
        mend: "remove it",
    };

    #[test]
    fn what_is_against_a_rule_breaks_it() {
        assert_eq!(RULE.unless::<&str>([]).outcome, Outcome::Passed);
        let broken = RULE.unless(["a\u{1b}[31m", &"x".repeat(500)]);
        assert_eq!(broken.outcome, Outcome::Failed);
        assert!(!broken.evidence[0].contains('\u{1b}'), "{:?}", broken.evidence);
        assert_eq!(broken.evidence[1].chars().count(), 403);
        assert!(broken.counts());
        assert!(!Finding { accepted: Some("known".to_owned()), ..broken.clone() }.counts());
        assert!(!Finding { severity: Severity::Warning, ..broken }.counts());
    }
}
