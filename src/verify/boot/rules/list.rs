//! The list of all rules for a running image, and their questions.

use super::super::answers::Answers;
use super::check::{Check, Expected, Judge, Subject};
use super::{access, boot, disk, identity, metadata, network, services};
use crate::recipe::verify::BootKind;
use crate::verify::{Finding, Rule};

/// The rules of each file, in the order of reports.
const SUBJECTS: [&Subject; 7] = [
    &boot::SUBJECT,
    &access::SUBJECT,
    &metadata::SUBJECT,
    &disk::SUBJECT,
    &network::SUBJECT,
    &services::SUBJECT,
    &identity::SUBJECT,
];

/// Returns the rules for a running image, in the order of reports.
pub fn rules() -> impl Iterator<Item = &'static Rule> {
    checks().map(|check| check.rule)
}

fn checks() -> impl Iterator<Item = &'static Check> {
    SUBJECTS.into_iter().flat_map(|subject| subject.checks)
}

/// When questions are asked.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(in crate::verify::boot) enum Questions {
    /// At every boot.
    Every,
    /// At a first boot.
    First,
    /// At every login, to compare instances.
    Identity,
}

/// Returns questions of all rules, as parts of a shell script.
pub(in crate::verify::boot) fn questions(questions: Questions) -> String {
    let of = |subject: &&'static Subject| match questions {
        Questions::Every => subject.every,
        Questions::First => subject.first,
        Questions::Identity => subject.identity,
    };
    SUBJECTS.iter().map(of).collect()
}

/// Judges the answers of a first boot.
pub(in crate::verify::boot) fn first_boot(answers: &Answers, expected: &Expected<'_>) -> Vec<Finding> {
    let judged = checks().filter_map(|check| match check.judge {
        Judge::First(judge) => Some(judge(answers, expected)),
        Judge::UnderSecureBoot(judge) => (expected.boot == BootKind::SecureBoot).then(|| judge(answers, expected)),
        Judge::Second(_) | Judge::Machine => None,
    });
    judged.collect()
}

/// Judges the answers of the second boot of one disk, on a machine with another network card.
pub(in crate::verify::boot) fn second_boot(first: &Answers, second: &Answers, macs: [&str; 2]) -> Vec<Finding> {
    let judged = checks().filter_map(|check| match check.judge {
        Judge::Second(judge) => Some(judge(first, second, macs)),
        _ => None,
    });
    judged.collect()
}

#[cfg(test)]
#[path = "list_tests.rs"]
mod tests;
