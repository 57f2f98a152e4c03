//! Rules about what an instance must keep and must not share.

use std::collections::BTreeMap;

use super::super::answers::Answers;
use super::check::{Check, Judge, Subject};
use crate::verify::{Finding, Group, Rule, Severity, Stage};

/// The rules of this file, in the order of reports.
pub(super) const SUBJECT: Subject = Subject {
    checks: &[
        Check { rule: &IDENTITY_STAYS, judge: Judge::Second(identity) },
        Check { rule: &INSTANCES_DIFFER, judge: Judge::Machine },
    ],
    every: "",
    first: "",
    identity: IDENTITY,
    #[cfg(test)]
    samples: &samples::SAMPLES,
};

pub(in crate::verify::boot) const IDENTITY_STAYS: Rule = Rule {
    id: "identity-stays",
    group: Group::Hygiene,
    stage: Stage::Booted,
    severity: Severity::Error,
    sentence: "Machine id, host keys and host name stay the same after a reboot",
    reason: "Other machines identify the instance by them, and would reject it.",
    page: None,
    mend: "do not empty machine-id and do not remove host keys at boot",
};

pub(in crate::verify::boot) const INSTANCES_DIFFER: Rule = Rule {
    id: "instances-differ",
    group: Group::Hygiene,
    stage: Stage::Booted,
    severity: Severity::Error,
    sentence: "Two instances have different machine ids, host keys and random seeds",
    reason: "With the keys of one instance somebody could pose as all others.",
    page: None,
    mend: "add the element sysprep",
};

/// The values that an instance must not share with others, and must keep.
const IDENTITY: &str = r#"s machine-id; cat /etc/machine-id
s host-keys; cat /etc/ssh/ssh_host_*_key.pub 2>/dev/null | cut -d ' ' -f 1,2
s seeds; for f in /var/lib/systemd/random-seed /var/lib/random-seed /var/lib/urandom/random-seed /var/lib/systemd/credential.secret; do
  [ -s $f ] && sha256sum $f; done
"#;

fn identity(first: &Answers, second: &Answers, _: [&str; 2]) -> Finding {
    let changed =
        ["machine-id", "host-keys", "hostname"].into_iter().filter(|name| first.text(name) != second.text(name));
    IDENTITY_STAYS.unless(changed.map(|name| format!("{name}: {}, then {}", first.text(name), second.text(name))))
}

/// Judges whether instances of one image differ in all that they must not share.
pub(in crate::verify::boot) fn instances(all: &[(String, Answers)]) -> Finding {
    if all.len() < 2 {
        return INSTANCES_DIFFER.skipped("fewer than two instances came up");
    }
    let mut against = Vec::new();
    for name in ["machine-id", "host-keys", "seeds"] {
        let mut seen: BTreeMap<&str, &str> = BTreeMap::new();
        for (instance, answers) in all {
            for line in answers.lines(name) {
                if let Some(other) = seen.insert(line, instance).filter(|other| other != instance) {
                    against.push(format!("{name} of {other} and {instance}: {line}"));
                }
            }
        }
    }
    INSTANCES_DIFFER.unless(against)
}

#[cfg(test)]
mod samples {
    use super::super::check::Samples;

    pub(super) const SAMPLES: Samples = Samples {
        good: &[
            ("machine-id", "abc"),
            ("host-keys", "ssh-ed25519 AAAA"),
            ("seeds", "123 /var/lib/systemd/random-seed"),
        ],
        bad: &[],
    };
}
