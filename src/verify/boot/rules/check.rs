//! A rule for a running image, with its judge and what it asks the image.

use super::super::answers::Answers;
use crate::recipe::verify::{BootKind, Datasource, NetworkAccess};
use crate::verify::{Finding, Rule};

/// Requirements of OpenStack's guide for images.
pub(super) const GUIDE: &str = "https://docs.openstack.org/image-guide/openstack-images.html";

/// The values that the machine was started with, and so the answers that it must give.
#[derive(Debug, Clone)]
pub(in crate::verify::boot) struct Expected<'a> {
    pub(in crate::verify::boot) boot: BootKind,
    pub(in crate::verify::boot) metadata: Datasource,
    pub(in crate::verify::boot) network: NetworkAccess,
    pub(in crate::verify::boot) hostname: &'a str,
    pub(in crate::verify::boot) mac: &'a str,
    pub(in crate::verify::boot) mark: &'a str,
    /// Services that may listen.
    pub(in crate::verify::boot) listen: &'a [String],
    /// The host's clock at the time of the guest's answer, in seconds since 1970.
    pub(in crate::verify::boot) now: f64,
    /// Whether this host's own resolver answers.
    pub(in crate::verify::boot) host_resolves: bool,
}

/// Who judges a rule.
pub(super) enum Judge {
    /// A function of the answers of a first boot.
    First(fn(&Answers, &Expected<'_>) -> Finding),
    /// The same, but only if the machine enforces Secure Boot.
    UnderSecureBoot(fn(&Answers, &Expected<'_>) -> Finding),
    /// A function of the answers of a first and a second boot of one disk, whose machines have network cards with these
    /// addresses.
    Second(fn(&Answers, &Answers, [&str; 2]) -> Finding),
    /// The code that runs the machine, because the answers do not show it.
    Machine,
}

/// A rule with its judge.
pub(super) struct Check {
    pub(super) rule: &'static Rule,
    pub(super) judge: Judge,
}

/// The rules about one subject, and the questions that their judges need answered. A question is a part of a shell script:
/// `s NAME`, and commands that print the answer. If a tool is missing, it prints nothing.
pub(super) struct Subject {
    pub(super) checks: &'static [Check],
    /// Questions for every boot.
    pub(super) every: &'static str,
    /// Questions for a first boot only.
    pub(super) first: &'static str,
    /// Questions about what an instance must keep and must not share, which have answers as soon as a login succeeds.
    pub(super) identity: &'static str,
    #[cfg(test)]
    pub(super) samples: &'static Samples,
}

/// Answers for tests of the judges of a first boot.
#[cfg(test)]
pub(super) struct Samples {
    /// Answers that keep all rules: question and answer.
    pub(super) good: &'static [(&'static str, &'static str)],
    /// Answers that break a rule: question, answer and the rule's id.
    pub(super) bad: &'static [(&'static str, &'static str, &'static str)],
}

/// Returns the finding that a value is the expected one.
pub(super) fn equal(rule: &Rule, found: &str, expected: &str) -> Finding {
    if found == expected {
        rule.passed([found])
    } else {
        let found = if found.is_empty() { "nothing" } else { found };
        rule.failed([format!("found {found}, expected {expected}")])
    }
}

/// Returns the unit in a line about its failure: `ssh.service: no host keys`.
pub(in crate::verify::boot) fn unit(line: &str) -> &str {
    line.split_once(": ").map_or(line, |(unit, _)| unit).trim_end_matches(':')
}
