//! Counts findings of each kind, and states the verdict in one line.

use std::fmt;

use serde::{Deserialize, Serialize};

use super::finding::{Finding, Outcome, Severity};

/// Numbers of findings of each kind. Each finding counts once.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Tally {
    /// Rules that are kept.
    pub passed: usize,
    /// Broken rules that count.
    pub failed: usize,
    /// Broken rules of severity warning.
    pub warnings: usize,
    /// Broken rules of severity info.
    pub notes: usize,
    /// Broken rules of any severity that the recipe accepts.
    pub accepted: usize,
    /// Rules that were not checked.
    pub skipped: usize,
}

impl Tally {
    /// Counts findings.
    pub fn of<'a>(findings: impl IntoIterator<Item = &'a Finding>) -> Self {
        let mut tally = Self::default();
        for finding in findings {
            *match (finding.outcome, finding.severity) {
                (Outcome::Passed, _) => &mut tally.passed,
                (Outcome::Skipped, _) => &mut tally.skipped,
                (Outcome::Failed, _) if finding.accepted.is_some() => &mut tally.accepted,
                (Outcome::Failed, Severity::Error) => &mut tally.failed,
                (Outcome::Failed, Severity::Warning) => &mut tally.warnings,
                (Outcome::Failed, Severity::Info) => &mut tally.notes,
            } += 1;
        }
        tally
    }

    /// Returns the number of all findings.
    pub fn total(&self) -> usize {
        let Self { passed, failed, warnings, notes, accepted, skipped } = self;
        passed + failed + warnings + notes + accepted + skipped
    }
}

/// Writes `3 of 90 checks failed, 1 warning, 2 skipped`, or `88 checks passed, 2 skipped`.
impl fmt::Display for Tally {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let plural = |count: usize, word: &str| format!("{count} {word}{}", if count == 1 { "" } else { "s" });
        match (self.failed, self.total()) {
            (_, 0) => f.write_str("nothing was checked")?,
            (0, _) => write!(f, "{} passed", plural(self.passed, "check"))?,
            (failed, total) => write!(f, "{failed} of {} failed", plural(total, "check"))?,
        }
        for (count, words) in [
            (self.warnings, plural(self.warnings, "warning")),
            (self.notes, plural(self.notes, "note")),
            (self.accepted, format!("{} accepted", self.accepted)),
            (self.skipped, format!("{} skipped", self.skipped)),
        ] {
            if count > 0 {
                write!(f, ", {words}")?;
            }
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_verdict_is_one_line() {
        let good = Tally { passed: 88, warnings: 1, notes: 2, accepted: 1, skipped: 3, failed: 0 };
        assert_eq!(good.to_string(), "88 checks passed, 1 warning, 2 notes, 1 accepted, 3 skipped");
        assert_eq!(
            Tally { failed: 2, ..good }.to_string(),
            "2 of 97 checks failed, 1 warning, 2 notes, 1 accepted, 3 skipped"
        );
        assert_eq!(Tally::default().to_string(), "nothing was checked");
    }
}
