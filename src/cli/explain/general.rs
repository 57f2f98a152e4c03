//! What needs no recipe: checks of every image, and exit codes.

use serde_json::json;

use super::answer::Answer;
use super::codes::CODES;
use crate::verify::{Rule, Severity, Stage, rules};

/// Returns what an exit code means; `None` if no command ends with it.
pub(super) fn code(number: u64) -> Option<Answer> {
    let code = CODES.iter().find(|code| u64::from(code.number) == number)?;
    let mut answer = Answer::new("exit-code", &number.to_string(), format!("exit code {number}: {}", code.meaning));
    answer.fact("what to do", code.mend);
    answer.value("exit_code", json!(code.number));
    answer.value("meaning", json!(code.meaning));
    answer.value("mend", json!(code.mend));
    Some(answer)
}

/// Returns what a check of every image means; `None` if there is no such check.
pub(super) fn check(id: &str) -> Option<Answer> {
    let rule = rules().find(|rule| rule.id == id)?;
    let mut answer = Answer::new("check", id, format!("check {id}: {}.", rule.sentence));
    let Rule { group, stage, severity, reason, page, mend, .. } = rule;
    answer.fact("about", group.name());
    answer.fact(
        "made",
        match stage {
            Stage::Static => "on the disk, before the image boots",
            Stage::Booted => "in the running image, at every boot",
        },
    );
    answer.fact(
        "if it fails",
        match severity {
            Severity::Error => "error: the image fails, and is not published",
            Severity::Warning => "warning: the report shows it, and the image passes",
            Severity::Info => "info: the report shows it, and the image passes",
        },
    );
    answer.fact("why", *reason);
    answer.fact("what to do", *mend);
    answer.fact("to accept it", format!("verify: {{ accept: [{{ check: {id}, because: ... }}] }}"));
    answer.facts("see", page.iter().map(|page| (*page).to_owned()).collect());
    answer.value("rule", json!(rule));
    Some(answer)
}

/// Returns the names of all checks.
pub(super) fn checks() -> Vec<&'static str> {
    rules().map(|rule| rule.id).collect()
}
