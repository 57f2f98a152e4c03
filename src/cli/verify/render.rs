//! Output of `goldsmith verify` for people.
//!
//! No text of the image reaches the terminal unchanged: every line goes through [`printable`].

use crate::cli::output::columns;
use crate::cli::terminal::{Mark, Style, Terminal};
use crate::recipe::Firmware;
use crate::text::printable;
use crate::verify::{self, Finding, Outcome, Report, Severity, Stage, Tally};

/// Lines of evidence that are shown of a failure; the reports have all of them.
const EVIDENCE: usize = 6;

/// Characters that are shown of a line of evidence.
const LINE: usize = 200;

/// Most skipped checks with the same reason that are named one by one.
const FEW: usize = 4;

/// All rules, one a line.
pub(super) fn rules() -> String {
    let rows: Vec<_> = verify::rules()
        .map(|rule| {
            let stage = match rule.stage {
                Stage::Static => "static",
                Stage::Booted => "booted",
            };
            [rule.id, stage, severity(rule.severity), rule.sentence].map(str::to_owned).to_vec()
        })
        .collect();
    columns(&rows)
}

/// Returns the report: the failed checks, or all, and the verdict as the last line.
pub(super) fn report(report: &Report, all: bool, terminal: Terminal) -> String {
    let mut text = heading(report, terminal);
    let mut told: Vec<&str> = Vec::new();
    let mut failed: Vec<&Finding> =
        report.findings.iter().filter(|finding| finding.outcome == Outcome::Failed).collect();
    failed.sort_by_key(|finding| (finding.accepted.is_some(), std::cmp::Reverse(finding.severity)));
    for finding in &failed {
        if !told.contains(&finding.id.as_str()) {
            told.push(&finding.id);
            let same: Vec<_> = failed.iter().copied().filter(|other| other.id == finding.id).collect();
            text.push_str(&problem(finding, &same, terminal));
        }
    }
    let others = report.findings.iter().filter(|finding| finding.outcome != Outcome::Failed);
    if all {
        let rows: Vec<_> = others
            .map(|finding| {
                let skipped = finding.outcome == Outcome::Skipped;
                let mark = if skipped { Mark::Cached } else { Mark::Done };
                let seen = finding.evidence.first().map(|line| format!(": {}", cut(line)));
                let words = format!("{}{}", finding.sentence, seen.unwrap_or_default());
                vec![terminal.mark(mark), place(finding), words]
            })
            .collect();
        text.push_str(&columns(&rows));
        text.push('\n');
    } else {
        for (why, places) in skipped(others) {
            let mark = terminal.mark(Mark::Cached);
            if places.len() > FEW {
                text.push_str(&format!("{mark} {} checks were not made: {why}\n", places.len()));
            } else {
                places.iter().for_each(|place| text.push_str(&format!("{mark} {place}: not checked: {why}\n")));
            }
        }
    }
    text.push_str(&timeline(report));
    let tally = Tally::of(&report.findings).to_string();
    let style = if report.passed() { Style::Green } else { Style::Red };
    text.push_str(&format!("{}\n", terminal.paint(style, &tally)));
    text
}

/// Groups skipped checks by their reason, in the order in which the reasons appear.
fn skipped<'a>(findings: impl Iterator<Item = &'a Finding>) -> Vec<(String, Vec<String>)> {
    let mut reasons: Vec<(String, Vec<String>)> = Vec::new();
    for finding in findings.filter(|finding| finding.outcome == Outcome::Skipped) {
        let why = finding.evidence.first().map(|line| printable(line.as_bytes())).unwrap_or_default();
        match reasons.iter_mut().find(|(other, _)| *other == why) {
            Some((_, places)) => places.push(place(finding)),
            None => reasons.push((why, vec![place(finding)])),
        }
    }
    reasons
}

/// Shortens a line of evidence: a flood of output may have no line ends.
fn cut(line: &str) -> String {
    let line = printable(line.as_bytes());
    match line.char_indices().nth(LINE) {
        Some((end, _)) => format!("{} ...", &line[..end]),
        None => line,
    }
}

/// Returns the heading: the image, and facts about it.
fn heading(report: &Report, terminal: Terminal) -> String {
    let subject = &report.facts.subject;
    let firmware = subject.firmware.iter().map(|firmware| match firmware {
        Firmware::Bios => "BIOS",
        Firmware::Uefi => "UEFI",
    });
    let firmware: Vec<_> = firmware.collect();
    let facts = [
        subject.product.clone().or_else(|| subject.distro.clone()),
        subject.arch.clone(),
        (!firmware.is_empty()).then(|| firmware.join(" and ")),
        subject.secure_boot.then(|| "Secure Boot".to_owned()),
    ];
    let facts: Vec<_> = facts.into_iter().flatten().map(|fact| printable(fact.as_bytes())).collect();
    let facts = if facts.is_empty() { "no operating system was found".to_owned() } else { facts.join(", ") };
    format!("{}: {facts}\n\n", terminal.paint(Style::Bold, &printable(report.image.as_bytes())))
}

/// Describes a failed check: the rule, the evidence of every profile, why it matters and what to do.
fn problem(finding: &Finding, all: &[&Finding], terminal: Terminal) -> String {
    let mark = match (finding.severity, &finding.accepted) {
        (_, Some(_)) => Mark::Cached,
        (Severity::Error, None) => Mark::Failed,
        _ => Mark::Warning,
    };
    let id = terminal.paint(Style::Bold, &finding.id);
    let sentence = printable(finding.sentence.as_bytes());
    let mut text = format!("{} {id}, {}. Not so: {sentence}\n", terminal.mark(mark), severity(finding.severity));
    for seen in all {
        let indent = if let Some(profile) = &seen.profile {
            text.push_str(&format!("    {profile}:\n"));
            "      "
        } else {
            "    "
        };
        for line in seen.evidence.iter().take(EVIDENCE) {
            text.push_str(&terminal.paint(Style::Dim, &format!("{indent}{}", cut(line))));
            text.push('\n');
        }
        if seen.evidence.len() > EVIDENCE {
            text.push_str(&format!("{indent}and {} lines more\n", seen.evidence.len() - EVIDENCE));
        }
    }
    if let Some(because) = &finding.accepted {
        return text + &format!("    accepted: {}\n\n", printable(because.as_bytes()));
    }
    let why = printable(finding.reason.as_bytes());
    let mend = terminal.paint(Style::Cyan, &printable(finding.mend.as_bytes()));
    text + &format!("    {why}\n    to do: {mend}\n\n")
}

/// Lists the milestones of every profile, and the measured requirements.
fn timeline(report: &Report) -> String {
    let mut rows: Vec<_> = report
        .boots
        .iter()
        .map(|boot| {
            let told = boot.milestones.iter().map(|milestone| format!("{} {:.0} s", milestone.name, milestone.seconds));
            vec![boot.profile.to_string(), told.collect::<Vec<_>>().join(", ")]
        })
        .collect();
    if let (true, Some(memory), Some(disk)) =
        (report.facts.measured, report.facts.min_ram_mib, report.facts.min_disk_gib)
    {
        rows.push(vec!["needs".to_owned(), format!("{memory} MiB of memory, {disk} GiB of disk")]);
    }
    if rows.is_empty() { String::new() } else { columns(&rows) + "\n" }
}

fn place(finding: &Finding) -> String {
    match &finding.profile {
        Some(profile) => format!("{} ({profile})", finding.id),
        None => finding.id.clone(),
    }
}

fn severity(severity: Severity) -> &'static str {
    match severity {
        Severity::Error => "error",
        Severity::Warning => "warning",
        Severity::Info => "note",
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_floods_a_console_does_not_flood_the_terminal() {
        assert_eq!(cut("\u{1b}[31mred\u{7}"), "red");
        assert_eq!(cut(&"ä".repeat(LINE)), "ä".repeat(LINE));
        assert_eq!(cut(&"ä".repeat(9 * LINE)), format!("{} ...", "ä".repeat(LINE)));
    }

    #[test]
    fn checks_that_were_not_made_are_told_by_their_reason() {
        let rules: Vec<_> = verify::rules().take(4).collect();
        let found = [rules[0].skipped("no system"), rules[1].skipped("no agent"), rules[2].skipped("no system")];
        let all = [&found[..], &[rules[3].passed(["fine"])]].concat();
        let ids = |ids: &[usize]| ids.iter().map(|at| rules[*at].id.to_owned()).collect::<Vec<_>>();
        let expected = [("no system".to_owned(), ids(&[0, 2])), ("no agent".to_owned(), ids(&[1]))];
        assert_eq!(skipped(all.iter()), expected);
    }
}
