//! Shows the findings on the page: first the problems to fix, then all findings.

use maud::{Markup, html};

use crate::text::readable;
use crate::verify::{Finding, Group, Outcome, Report, Severity, Tally};

/// The failures of one check, in any number of profiles.
struct Problem<'a> {
    first: &'a Finding,
    all: Vec<&'a Finding>,
}

/// Shows the failures that are not accepted: errors first, then warnings, then notes.
pub(super) fn to_do(report: &Report) -> Markup {
    let mut problems: Vec<Problem<'_>> = Vec::new();
    for finding in
        report.findings.iter().filter(|finding| finding.outcome == Outcome::Failed && finding.accepted.is_none())
    {
        match problems.iter_mut().find(|problem| problem.first.id == finding.id) {
            Some(problem) => problem.all.push(finding),
            None => problems.push(Problem { first: finding, all: vec![finding] }),
        }
    }
    problems.sort_by_key(|problem| std::cmp::Reverse(problem.first.severity));
    html! {
        section aria-labelledby="to-do" {
            h2 #to-do { "What to do" }
            @if report.findings.is_empty() { p { "Nothing was checked." } }
            @else if problems.is_empty() { p { "Nothing: no check failed." } }
            @for problem in &problems { (one_problem(problem)) }
        }
    }
}

fn one_problem(problem: &Problem<'_>) -> Markup {
    let finding = problem.first;
    let (class, _) = mark(finding);
    html! {
        article class={ "is-" (class) } {
            h3 { (marked(finding)) " Not so: " (readable(&finding.sentence)) }
            p.soft { code { (readable(&finding.id)) } ", " (finding.group.name()) }
            @for finding in &problem.all {
                @if let Some(profile) = &finding.profile { p.soft { "Seen in " (readable(profile)) } }
                (evidence(finding))
            }
            p { (readable(&finding.reason)) (page(finding)) }
            p { strong { "To do: " } (readable(&finding.mend)) "." }
        }
    }
}

/// Links to the source of a rule. Only web pages become links.
fn page(finding: &Finding) -> Markup {
    html! {
        @if let Some(page) = finding.page.as_deref().filter(|page| page.starts_with("https://")) {
            " " a href=(page) rel="noreferrer noopener" { "Where that is written" }
        }
    }
}

fn evidence(finding: &Finding) -> Markup {
    html! { @if !finding.evidence.is_empty() { pre { (readable(&finding.evidence.join("\n"))) } } }
}

/// Shows all findings: of the disk, and of each boot.
pub(super) fn all(report: &Report) -> Markup {
    let mut places: Vec<(String, Vec<&Finding>)> = Vec::new();
    for finding in &report.findings {
        let place = match &finding.profile {
            Some(profile) => format!("Booted: {profile}"),
            None => "The image".to_owned(),
        };
        match places.iter_mut().find(|known| known.0 == place) {
            Some((_, findings)) => findings.push(finding),
            None => places.push((place, vec![finding])),
        }
    }
    html! {
        section aria-labelledby="checks" {
            h2 #checks { "All checks" }
            p.filter hidden {
                label for="filter" { "Show only" }
                input #filter type="search" autocomplete="off" placeholder="failed, network, ssh ...";
                output aria-live="polite" {}
            }
            @for (place, findings) in &places { (table(place, findings)) }
        }
    }
}

fn table(place: &str, findings: &[&Finding]) -> Markup {
    let mut findings = findings.to_vec();
    findings.sort_by_key(|finding| finding.group);
    let groups: Vec<&[&Finding]> = findings.chunk_by(|a, b| a.group == b.group).collect();
    let open = findings.iter().any(|finding| finding.counts());
    html! {
        details.prints open[open] {
            summary { (readable(place)) ": " (Tally::of(findings.iter().copied())) }
            table.checks {
                caption { (readable(place)) ", by subject" }
                @for group in groups {
                    tbody.head { tr { th colspan="3" scope="rowgroup" { (title(group[0].group)) } } }
                    tbody { @for finding in group { (row(finding)) } }
                }
            }
        }
    }
}

fn row(finding: &Finding) -> Markup {
    html! {
        tr {
            td { (marked(finding)) }
            th scope="row" { (readable(&finding.sentence)) " " code.soft { (readable(&finding.id)) } }
            td {
                @if let Some(because) = &finding.accepted { p { "Accepted: " (readable(because)) } }
                (evidence(finding))
            }
        }
    }
}

fn marked(finding: &Finding) -> Markup {
    let (class, word) = mark(finding);
    html! { span class={ "mark " (class) } { (word) } }
}

/// Returns the color and the word of a finding: color alone says nothing.
fn mark(finding: &Finding) -> (&'static str, &'static str) {
    match (finding.outcome, finding.severity) {
        (Outcome::Passed, _) => ("good", "passed"),
        (Outcome::Skipped, _) => ("soft", "skipped"),
        (Outcome::Failed, _) if finding.accepted.is_some() => ("soft", "accepted"),
        (Outcome::Failed, Severity::Error) => ("bad", "failed"),
        (Outcome::Failed, Severity::Warning) => ("warn", "warning"),
        (Outcome::Failed, Severity::Info) => ("soft", "note"),
    }
}

fn title(group: Group) -> &'static str {
    match group {
        Group::Disk => "Disk",
        Group::Boot => "Boot",
        Group::Network => "Network",
        Group::Access => "Access",
        Group::Metadata => "Metadata",
        Group::Hygiene => "Hygiene",
        Group::Services => "Services",
        Group::Element => "What elements promise",
    }
}
