//! Rules about what cloud-init made of the metadata.

use super::super::answers::Answers;
use super::check::{Check, Expected, GUIDE, Judge, Subject, equal};
use crate::recipe::verify::Datasource;
use crate::verify::{Finding, Group, Rule, Severity, Stage};

/// The rules of this file, in the order of reports.
pub(super) const SUBJECT: Subject = Subject {
    checks: &[
        Check { rule: &HOSTNAME, judge: Judge::First(hostname) },
        Check { rule: &DATASOURCE, judge: Judge::First(datasource) },
        Check { rule: &SCRIPT, judge: Judge::First(script) },
        Check { rule: &CLOUD_CONFIG, judge: Judge::First(cloud_config) },
        Check { rule: &CLEAN_FIRST_BOOT, judge: Judge::First(warnings) },
    ],
    every: r#"s hostname; uname -n
"#,
    first: r#"s datasource; cat /run/cloud-init/result.json 2>/dev/null
s warnings; grep -hE 'WARNING|ERROR|CRITICAL' /var/log/cloud-init.log 2>/dev/null | tail -n 20
s script; cat /run/goldsmith-verify/script 2>/dev/null
s cloud-config; cat /run/goldsmith-verify/cloud-config 2>/dev/null
s agent; command -v cloud-init || ls /usr/local/sbin/metadata-* 2>/dev/null
"#,
    identity: "",
    #[cfg(test)]
    samples: &samples::SAMPLES,
};

pub(in crate::verify::boot) const HOSTNAME: Rule = Rule {
    id: "hostname-from-metadata",
    group: Group::Metadata,
    stage: Stage::Booted,
    severity: Severity::Error,
    sentence: "The host name is the name of the instance",
    reason: "Services and logs identify instances by their host name.",
    page: Some(GUIDE),
    mend: "add the element cloud-init, or metadata-ssh-key, which sets the host name too",
};

pub(in crate::verify::boot) const DATASOURCE: Rule = Rule {
    id: "metadata-source",
    group: Group::Metadata,
    stage: Stage::Booted,
    severity: Severity::Error,
    sentence: "cloud-init used the metadata source that the machine offered",
    reason: "An image that tries other sources waits for them, or finds old data there.",
    page: Some(GUIDE),
    mend: "name the source in `datasources` of the element cloud-init",
};

pub(in crate::verify::boot) const SCRIPT: Rule = Rule {
    id: "user-data-script",
    group: Group::Metadata,
    stage: Stage::Booted,
    severity: Severity::Error,
    sentence: "A script in the user data ran",
    reason: "Users set up instances with scripts in user data.",
    page: Some(GUIDE),
    mend: "add the element cloud-init, or metadata-user-data, which runs scripts",
};

pub(in crate::verify::boot) const CLOUD_CONFIG: Rule = Rule {
    id: "user-data-cloud-config",
    group: Group::Metadata,
    stage: Stage::Booted,
    severity: Severity::Error,
    sentence: "A cloud-config in the user data was applied",
    reason: "Users set up instances with cloud-configs in user data.",
    page: Some(GUIDE),
    mend: "add the element cloud-init",
};

pub(in crate::verify::boot) const CLEAN_FIRST_BOOT: Rule = Rule {
    id: "first-boot-clean",
    group: Group::Metadata,
    stage: Stage::Booted,
    severity: Severity::Warning,
    sentence: "cloud-init reports no error and no warning",
    reason: "A warning means that cloud-init did not do a part of its work.",
    page: None,
    mend: "look at /var/log/cloud-init.log of an instance",
};

/// Why a rule about cloud-init does not apply to an image whose agent is only to fetch the key, by the element `metadata-ssh-key`.
pub(in crate::verify::boot) fn only_key(answers: &Answers) -> Option<&'static str> {
    answers.lines("agent").contains(&"/usr/local/sbin/metadata-ssh-key").then_some(
        "the image has no cloud-init: metadata-ssh-key takes the key and the host name, and applies no cloud-config",
    )
}

/// Returns whether the image runs scripts in user data: by cloud-init, or by the element `metadata-user-data`.
fn runs_scripts(answers: &Answers) -> bool {
    only_key(answers).is_none() || answers.lines("agent").contains(&"/usr/local/sbin/metadata-user-data")
}

/// Judges a rule about cloud-init, if the image has it or should.
fn of_cloud_init(rule: &Rule, answers: &Answers, judge: impl FnOnce() -> Finding) -> Finding {
    only_key(answers).map_or_else(judge, |why| rule.skipped(why))
}

/// Judges the source of metadata, which cloud-init names in `result.json`: `DataSourceConfigDrive [net,ver=2][source=/dev/vdb]`.
fn datasource(answers: &Answers, expected: &Expected<'_>) -> Finding {
    if let Some(why) = only_key(answers) {
        return DATASOURCE.skipped(why);
    }
    let result: serde_json::Value = serde_json::from_str(answers.text("datasource")).unwrap_or_default();
    let Some(source) = result.pointer("/v1/datasource").and_then(serde_json::Value::as_str) else {
        return DATASOURCE.failed(["cloud-init has not told any: is it installed and enabled?"]);
    };
    let name = match expected.metadata {
        Datasource::ConfigDrive => "DataSourceConfigDrive",
        Datasource::OpenStack => "DataSourceOpenStack",
        Datasource::NoCloud => "DataSourceNoCloud",
    };
    if source.starts_with(name) { DATASOURCE.passed([source]) } else { DATASOURCE.failed([source]) }
}

fn hostname(answers: &Answers, expected: &Expected<'_>) -> Finding {
    equal(&HOSTNAME, answers.text("hostname").split('.').next().unwrap_or_default(), expected.hostname)
}

fn script(answers: &Answers, expected: &Expected<'_>) -> Finding {
    if runs_scripts(answers) {
        return equal(&SCRIPT, answers.text("script"), expected.mark);
    }
    SCRIPT.skipped("the image has no cloud-init, and without metadata-user-data it runs no user data")
}

fn cloud_config(answers: &Answers, expected: &Expected<'_>) -> Finding {
    of_cloud_init(&CLOUD_CONFIG, answers, || equal(&CLOUD_CONFIG, answers.text("cloud-config"), expected.mark))
}

fn warnings(answers: &Answers, _: &Expected<'_>) -> Finding {
    of_cloud_init(&CLEAN_FIRST_BOOT, answers, || CLEAN_FIRST_BOOT.unless(answers.lines("warnings")))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::verify::Outcome;

    #[test]
    fn an_image_without_cloud_init_says_why_it_runs_no_user_data() {
        let (key, scripts) = ("/usr/local/sbin/metadata-ssh-key", "/usr/local/sbin/metadata-user-data");
        let both = format!("{key}\n{scripts}");
        for (agent, runs, config) in [
            (key, false, Outcome::Skipped),
            (&both, true, Outcome::Skipped),
            ("", true, Outcome::Failed),
            ("/usr/bin/cloud-init", true, Outcome::Failed),
        ] {
            let answers = Answers::parse("@@", &format!("@@ agent\n{agent}\n@@ end\n")).expect("an end");
            assert_eq!(runs_scripts(&answers), runs, "{agent}");
            let judged =
                of_cloud_init(&CLOUD_CONFIG, &answers, || equal(&CLOUD_CONFIG, answers.text("cloud-config"), "mark"));
            assert_eq!(judged.outcome, config, "{agent}");
        }
    }
}

#[cfg(test)]
mod samples {
    use super::super::check::Samples;

    pub(super) const SAMPLES: Samples = Samples {
        good: &[
            ("hostname", "gold-1"),
            ("datasource", r#"{"v1": {"datasource": "DataSourceConfigDrive [net,ver=2]", "errors": []}}"#),
            ("warnings", ""),
            ("script", "mark"),
            ("cloud-config", "mark"),
            ("agent", "/usr/bin/cloud-init"),
        ],
        bad: &[
            ("hostname", "localhost", "hostname-from-metadata"),
            ("datasource", r#"{"v1": {"datasource": "DataSourceNone"}}"#, "metadata-source"),
            ("datasource", "", "metadata-source"),
            ("script", "", "user-data-script"),
            ("cloud-config", "old mark", "user-data-cloud-config"),
            ("warnings", "WARNING: no key", "first-boot-clean"),
        ],
    };
}
