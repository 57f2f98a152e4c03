//! Judges the checks of elements on an image's disk.

use regex::Regex;

use super::unit::{Unit, unit};
use super::view::View;
use crate::element::schema::{Check, FileMatches, check_ids};
use crate::verify::Finding;
use crate::verify::finding::ELEMENT_CHECK;

/// Returns the files that checks read.
pub(super) fn wanted(checks: &[(String, Check)]) -> impl Iterator<Item = &str> {
    checks.iter().filter_map(|(_, check)| match check {
        Check::FileMatches(FileMatches { path, .. }) | Check::FileLacks(FileMatches { path, .. }) => {
            Some(path.as_str())
        }
        _ => None,
    })
}

/// Judges each check. Checks of the running image are counted but left out.
pub(super) fn judge(view: &View, checks: &[(String, Check)]) -> Vec<Finding> {
    let mut findings = Vec::new();
    for (id, (_, check)) in check_ids(checks).into_iter().zip(checks) {
        let Some((sentence, outcome)) = judged(view, check) else { continue };
        let finding = match outcome {
            Ok(()) => ELEMENT_CHECK.passed::<&str>([]),
            Err(against) => ELEMENT_CHECK.failed(against),
        };
        findings.push(Finding { id, sentence, ..finding });
    }
    findings
}

/// Returns the check as a sentence, and the evidence against it.
fn judged(view: &View, check: &Check) -> Option<(String, Result<(), Vec<String>>)> {
    let tree = &view.tree;
    let or = |good: bool, against: String| if good { Ok(()) } else { Err(vec![against]) };
    let there = |path: &str| tree.follow(path).map(|entry| format!("{path}: {} bytes", entry.size));
    Some(match check {
        Check::KernelArg(arg) => {
            let args = view.system.boot.default.as_ref().map(|entry| entry.args.as_slice()).unwrap_or_default();
            let against = format!("its arguments: {}", args.join(" "));
            (format!("The kernel's arguments have `{arg}`"), or(args.contains(arg), against))
        }
        Check::PathExists(path) => {
            (format!("{path} is there"), or(!tree.glob(path).is_empty(), format!("{path}: there is nothing")))
        }
        Check::PathAbsent(path) => {
            let found = tree.glob(path);
            (format!("{path} is not there"), if found.is_empty() { Ok(()) } else { Err(found) })
        }
        Check::FileEmpty(path) => {
            let empty = tree.follow(path).is_some_and(|entry| entry.size == 0) && tree.is_file(path);
            let against = there(path).unwrap_or_else(|| format!("{path}: there is nothing"));
            (format!("{path} is an empty file"), or(empty, against))
        }
        Check::FileMatches(FileMatches { path, pattern }) => {
            let matched = matching(view, path, pattern).map(|found| !found.is_empty());
            let against = match tree.glob(path).is_empty() {
                true => format!("{path}: there is nothing"),
                false => format!("{path}: no line matches"),
            };
            let outcome = matched.and_then(|good| or(good, against));
            (format!("{path} has a line that matches `{pattern}`"), outcome)
        }
        Check::FileLacks(FileMatches { path, pattern }) => {
            let found = matching(view, path, pattern);
            let outcome = found.and_then(|found| if found.is_empty() { Ok(()) } else { Err(found) });
            (format!("{path} has no line that matches `{pattern}`"), outcome)
        }
        Check::ServiceEnabled(name) => {
            let state = unit(tree, name);
            (format!("{name} starts at boot"), or(state == Unit::Enabled, format!("{name}: {}", state_text(state))))
        }
        Check::ServiceOff(name) => {
            let state = unit(tree, name);
            (
                format!("{name} does not start at boot"),
                or(state != Unit::Enabled, format!("{name}: {}", state_text(state))),
            )
        }
        Check::PackageInstalled(name) => {
            let installed = view.system.packages.iter().any(|package| package.name == *name);
            (format!("The package {name} is installed"), or(installed, format!("{name}: it is not among the packages")))
        }
        Check::Booted(_) => return None,
    })
}

fn state_text(state: Unit) -> &'static str {
    match state {
        Unit::Enabled => "it starts at boot",
        Unit::Off => "it is there and does not start at boot",
        Unit::Masked => "it is masked",
        Unit::Absent => "there is no such unit",
    }
}

/// Returns the lines that match, with their files, or the reason why they are unknown.
fn matching(view: &View, path: &str, pattern: &str) -> Result<Vec<String>, Vec<String>> {
    let regex = Regex::new(pattern).map_err(|error| vec![error.to_string()])?;
    let mut found = Vec::new();
    let mut unread = Vec::new();
    for path in view.tree.glob(path) {
        match view.tree.bytes(&path) {
            Ok(bytes) => {
                let text = String::from_utf8_lossy(bytes.unwrap_or_default());
                found.extend(text.lines().filter(|line| regex.is_match(line)).map(|line| format!("{path}: {line}")));
            }
            // A path that is no file has no lines.
            Err(crate::inspect::Unread::NotRead(size)) => unread.push(format!("{path}: {size} bytes exceed the limit")),
            Err(_) => {}
        }
    }
    if found.is_empty() && !unread.is_empty() { Err(unread) } else { Ok(found) }
}

/// Returns the failed checks, for tests.
#[cfg(test)]
pub(super) fn failed(findings: &[Finding]) -> Vec<&str> {
    findings.iter().filter(|it| it.outcome == crate::verify::Outcome::Failed).map(|it| it.id.as_str()).collect()
}
