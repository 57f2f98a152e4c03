//! Rules about who gets in.

use super::super::answers::Answers;
use super::check::{Check, Expected, GUIDE, Judge, Subject};
use crate::verify::{Finding, Group, Rule, Severity, Stage};

/// The rules of this file, in the order of reports.
pub(super) const SUBJECT: Subject = Subject {
    checks: &[
        Check { rule: &KEY, judge: Judge::Machine },
        Check { rule: &SUDO, judge: Judge::First(sudo) },
        Check { rule: &PASSWORDS, judge: Judge::Machine },
    ],
    every: "",
    first: "",
    identity: "",
    #[cfg(test)]
    samples: &samples::SAMPLES,
};

pub(in crate::verify::boot) const KEY: Rule = Rule {
    id: "key-logs-in",
    group: Group::Access,
    stage: Stage::Booted,
    severity: Severity::Error,
    sentence: "The SSH key from the metadata logs in as the expected user",
    reason: "The owner of an instance logs in with this key.",
    page: Some(GUIDE),
    mend: "add the elements cloud-init and sshd",
};

pub(in crate::verify::boot) const SUDO: Rule = Rule {
    id: "user-is-root",
    group: Group::Access,
    stage: Stage::Booted,
    severity: Severity::Error,
    sentence: "The default user can run every command by sudo without a password",
    reason: "The user has no password, so otherwise nobody could administrate the instance.",
    page: None,
    mend: "set `sudo: true` of the element cloud-init",
};

pub(in crate::verify::boot) const PASSWORDS: Rule = Rule {
    id: "no-password-login",
    group: Group::Access,
    stage: Stage::Booted,
    severity: Severity::Error,
    sentence: "The SSH server accepts no passwords",
    reason: "Attackers try lists of passwords on every public address within minutes.",
    page: None,
    mend: "add the element sshd, which sets PasswordAuthentication no",
};

fn sudo(answers: &Answers, _: &Expected<'_>) -> Finding {
    match answers.lines("user")[..] {
        [user, "0"] => SUDO.passed([user]),
        _ => SUDO.failed(["`sudo -n` did not give the rights of root"]),
    }
}

#[cfg(test)]
mod samples {
    use super::super::check::Samples;

    pub(super) const SAMPLES: Samples =
        Samples { good: &[("user", "ops\n0")], bad: &[("user", "ops\n1000", "user-is-root")] };
}
