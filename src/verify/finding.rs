//! Rules, and what was found of them.

use serde::{Deserialize, Serialize};

/// Most lines of evidence a finding keeps, and most characters of a line.
const EVIDENCE: (usize, usize) = (20, 400);

/// How bad it is if a rule is broken.
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

/// What a rule is about.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Group {
    /// Partitions, file systems, growth.
    Disk,
    /// Boot loader, kernel, console.
    Boot,
    /// Network cards, names, firewall.
    Network,
    /// Who can log in, and how.
    Access,
    /// What the cloud tells the instance.
    Metadata,
    /// What must not be the same in two machines, and what building left behind.
    Hygiene,
    /// What runs.
    Services,
    /// What an element promises.
    Element,
}

impl Group {
    /// The name that reports use.
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

/// When a rule is checked.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Stage {
    /// By looking at the disk.
    Static,
    /// By booting it.
    Booted,
}

/// Something that must be true of every image.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
pub struct Rule {
    /// Name, unique and stable: `root-last`.
    pub id: &'static str,
    /// What it is about.
    pub group: Group,
    /// When it is checked.
    pub stage: Stage,
    /// How bad it is if it is broken.
    pub severity: Severity,
    /// What is true where it is kept, as a sentence without its full stop: `The root partition is the last one`.
    pub sentence: &'static str,
    /// Why that matters.
    pub reason: &'static str,
    /// Where that is written: a page of the web.
    pub page: Option<&'static str>,
    /// What to do: `add the element growpart`.
    pub mend: &'static str,
}

/// What all checks of elements have in common, of the disk and of the running image; id and sentence are those of each.
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

/// What came of a rule.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Outcome {
    /// It is kept.
    Passed,
    /// It is broken.
    Failed,
    /// It could not be checked, or does not apply; the evidence says why.
    Skipped,
}

/// What was found of one rule, or of one check of an element.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Finding {
    /// The rule's id; for a check of an element, `<element>/<number>` counted from 1.
    pub id: String,
    /// What it is about.
    pub group: Group,
    /// How bad it is if it failed.
    pub severity: Severity,
    /// What came of it.
    pub outcome: Outcome,
    /// What is true where it passed.
    pub sentence: String,
    /// What was seen, line by line, made printable.
    pub evidence: Vec<String>,
    /// Why it matters.
    pub reason: String,
    /// Where that is written.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub page: Option<String>,
    /// What to do if it failed.
    pub mend: String,
    /// How the image was booted: `uefi/config-drive`; nothing if it was not.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub profile: Option<String>,
    /// Why a failure does not count, if the recipe accepts it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub accepted: Option<String>,
}

impl Rule {
    /// It is kept. `evidence` says what was seen: `partition 3 of 3`.
    pub fn passed<T: AsRef<str>>(&self, evidence: impl IntoIterator<Item = T>) -> Finding {
        self.found(Outcome::Passed, evidence)
    }

    /// It is broken.
    pub fn failed<T: AsRef<str>>(&self, evidence: impl IntoIterator<Item = T>) -> Finding {
        self.found(Outcome::Failed, evidence)
    }

    /// It could not be checked, or does not apply.
    pub fn skipped(&self, why: &str) -> Finding {
        self.found(Outcome::Skipped, [why])
    }

    /// Kept if there is nothing against it.
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
    /// Whether it keeps the image from being good: an error that nobody has accepted.
    pub fn counts(&self) -> bool {
        self.outcome == Outcome::Failed && self.severity == Severity::Error && self.accepted.is_none()
    }
}

/// Text of the image, which may hold anything, as one line.
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
