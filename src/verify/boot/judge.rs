//! Judges what no rule of the list asks: the end of the first boot, and the checks of elements.

use std::time::Duration;

use super::answers::Answers;
use super::rules::BOOTS;
use crate::element::schema::{Booted, Check, check_ids};
use crate::verify::Finding;
use crate::verify::finding::ELEMENT_CHECK;

/// Judges whether the first boot is complete. `took` is the time until the instance answered.
pub(super) fn boots(answers: &Answers, took: Duration) -> Finding {
    let seconds = took.as_secs();
    match answers.lines("finished")[..] {
        ["no", ref jobs @ ..] => {
            let first = format!("cloud-init has not come to the end of the first boot after {seconds} s");
            BOOTS.failed(std::iter::once(first.as_str()).chain(jobs.iter().copied()))
        }
        _ => BOOTS.passed([format!("{seconds} s")]),
    }
}

/// Judges the booted checks of elements. Their commands have numbers in the script.
pub(super) fn elements(checks: &[(String, Check)], answers: &Answers, serial: &str) -> Vec<Finding> {
    let mut commands = 0;
    let mut findings = Vec::new();
    for (id, (_, check)) in check_ids(checks).into_iter().zip(checks) {
        let Check::Booted(booted) = check else { continue };
        let (sentence, kept, evidence): (String, bool, Vec<String>) = match booted {
            Booted::Serial(pattern) => {
                // It compiled when the recipe was read.
                let found = regex::Regex::new(pattern)
                    .ok()
                    .and_then(|pattern| serial.lines().find(|line| pattern.is_match(line)));
                let evidence = found.map_or_else(|| "none of its lines does".to_owned(), str::to_owned);
                (format!("The serial console shows `{pattern}`"), found.is_some(), vec![evidence])
            }
            Booted::Command(command) => {
                let ran = answers.ran(commands);
                commands += 1;
                let good = ran.as_ref().is_some_and(|ran| ran.status == 0);
                let evidence = match ran {
                    Some(ran) if ran.status != 0 => {
                        std::iter::once(format!("exit status {}", ran.status)).chain(ran.output).collect()
                    }
                    Some(ran) => ran.output,
                    None => vec!["it was not run".to_owned()],
                };
                (format!("`{command}` succeeds"), good, evidence)
            }
            Booted::Port(port) => {
                let service = format!("tcp/{port}");
                let all = answers.listening();
                let found = all.iter().any(|socket| socket.service == service);
                let told = all.iter().filter(|socket| !found || socket.service == service);
                let told = told.map(|socket| format!("{} on {}", socket.service, socket.address));
                let missing = (!found).then(|| format!("nothing on {service}, but:"));
                (format!("Something listens on port {port}"), found, missing.into_iter().chain(told).collect())
            }
        };
        let finding = if kept { ELEMENT_CHECK.passed(evidence) } else { ELEMENT_CHECK.failed(evidence) };
        findings.push(Finding { id, sentence: crate::text::printable(sentence.as_bytes()), ..finding });
    }
    findings
}

/// Returns the commands of elements, in the order in which [`elements`] counts them.
pub(super) fn commands(checks: &[(String, Check)]) -> Vec<&str> {
    let commands = checks.iter().filter_map(|(_, check)| match check {
        Check::Booted(Booted::Command(command)) => Some(command.as_str()),
        _ => None,
    });
    commands.collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::verify::Outcome;

    #[test]
    fn a_first_boot_without_an_end_is_none() {
        let found = |finished: &str| {
            let answers = Answers::parse("@@", &format!("@@ finished\n{finished}\n@@ end\n")).expect("an end");
            boots(&answers, Duration::from_secs(600))
        };
        for finished in ["yes", ""] {
            assert_eq!(found(finished).outcome, Outcome::Passed, "{finished}");
        }
        let never = found("no\n142 cloud-final.service start running");
        assert_eq!(never.outcome, Outcome::Failed);
        assert_eq!(never.evidence[1], "142 cloud-final.service start running");
    }

    #[test]
    fn checks_of_elements_are_numbered_with_those_that_are_static() {
        let checks = [
            ("a".to_owned(), Check::PathExists("/etc".to_owned())),
            ("a".to_owned(), Check::Booted(Booted::Command("true".to_owned()))),
            ("a".to_owned(), Check::Booted(Booted::Port(22))),
            ("b".to_owned(), Check::Booted(Booted::Serial("log[a-z]*:".to_owned()))),
            ("b".to_owned(), Check::Booted(Booted::Command("false".to_owned()))),
        ];
        assert_eq!(commands(&checks), ["true", "false"]);
        let printed = "@@ sockets\ntcp 0: 00000000:0016 00000000:0000 0A\n@@ command-0\nstatus 0\nfine\n@@ end\n";
        let answers = Answers::parse("@@", printed).expect("an end");
        let findings = elements(&checks, &answers, "kernel\ngold login: \n");
        let told: Vec<_> = findings.iter().map(|f| format!("{} {:?}", f.id, f.outcome)).collect();
        assert_eq!(told, ["a/2 Passed", "a/3 Passed", "b/1 Passed", "b/2 Failed"]);
    }
}
