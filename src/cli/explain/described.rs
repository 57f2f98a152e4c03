//! The answers about steps, files, packages and checks of a recipe.

use serde_json::{Value, json};

use super::answer::Answer;
use super::places::Places;
use super::subject::{Content, Told};
use crate::action::{Action, Run};
use crate::element::schema::Check;
use crate::vocabulary::{Phase, StepId};

/// Variables that every script has, besides those of its action.
const VARIABLES: [&str; 7] = [
    "GOLDSMITH_ARCH: architecture of the image",
    "GOLDSMITH_DISK: device of the image's disk in the guest",
    "PATH, HOME=/root, LANG=C.UTF-8, TERM=dumb, DEBIAN_FRONTEND=noninteractive",
    "SOURCE_DATE_EPOCH: date of the package repositories, if the base is made of packages",
    "GOLDSMITH_SECRETS: directory with the secrets, if the action names some",
    "nothing of this host's environment",
    "parameters only where a template writes their values: `args`, `env` and `inline`",
];

/// Explains a step. `state` says whether it is cached, or why not.
pub(super) fn step(told: &Told<'_>, state: &Result<Option<String>, String>, places: &Places) -> Answer {
    let name = told.id.to_string();
    let mut answer = Answer::new("step", &name, format!("step {name}"));
    brought(&mut answer, told.id, places);
    answer.value("phase", json!(told.id.phase));
    let (line, value) = match state {
        Ok(None) => ("yes: nothing that it depends on has changed".to_owned(), json!({ "cached": true })),
        Ok(Some(reason)) => (format!("no: {reason}"), json!({ "cached": false, "reason": reason })),
        Err(why) => (format!("not known: {why}"), json!({ "cached": null, "reason": why })),
    };
    answer.fact("cached", line);
    answer.value("cache", value);
    let lines = told.actions.iter().enumerate().map(|(at, action)| {
        let place = places.step(told.id, Some((at, told.actions.len()))).map(|place| format!(" ({place})"));
        format!("{}. {}{}", at + 1, in_words(action), place.unwrap_or_default())
    });
    answer.facts("actions", lines.collect());
    answer.value("actions", json!(told.actions));
    let runs: Vec<&Run> =
        told.actions.iter().filter_map(|action| if let Action::Run(run) = action { Some(run) } else { None }).collect();
    for run in &runs {
        answer.facts("a script", script(run));
    }
    if !runs.is_empty() {
        answer.facts("scripts see", VARIABLES.map(str::to_owned).to_vec());
        answer
            .value("variables", json!(["GOLDSMITH_ARCH", "GOLDSMITH_DISK", "SOURCE_DATE_EPOCH", "GOLDSMITH_SECRETS"]));
    }
    answer
}

/// Says who brings a step: its element, and the line of the recipe that lists it.
fn brought(answer: &mut Answer, id: &StepId, places: &Places) {
    let at = places.step(id, None);
    answer.value("place", json!(at));
    match (id.phase, places.listed(&id.element)) {
        (Phase::Base, _) => answer.fact("brought by", "the recipe's `base`"),
        (Phase::Finalize, _) => answer.fact("brought by", "every build: it discards unused blocks of the disk"),
        (_, Some(listed)) => {
            let origin =
                places.element(&id.element).map_or("another recipe".to_owned(), |found| found.origin.to_string());
            answer.fact("brought by", format!("the element `{}` of {origin}", id.element));
            answer.fact("listed at", listed.clone());
            answer.value("element", json!(id.element));
            answer.value("listed", json!(listed));
        }
        (_, None) => answer.fact("brought by", "the recipe's own `steps`"),
    }
    answer.facts("written at", at.into_iter().collect());
}

/// Says how a script runs.
fn script(run: &Run) -> Vec<String> {
    let what = match (&run.script, &run.inline) {
        (Some(script), _) => format!("{script}, as it is, as root in the image"),
        (None, Some(inline)) if inline.starts_with("#!") => {
            "inline, by the program that its first line names".to_owned()
        }
        _ => "inline, by /bin/sh with `set -eu`, as root in the image".to_owned(),
    };
    let mut lines = vec![what];
    if !run.args.is_empty() {
        lines.push(format!("arguments: {}", json!(run.args)));
    }
    lines.extend(run.env.iter().map(|(name, value)| format!("{name}={value}")));
    lines.extend(run.secrets.iter().map(|name| format!("$GOLDSMITH_SECRETS/{name}: the secret `{name}`")));
    lines.push(if run.network { "with a network".to_owned() } else { "without a network".to_owned() });
    lines
}

/// Describes an action in one line, as a recipe writes it, cut where it becomes long.
fn in_words(action: &Action) -> String {
    const LONGEST: usize = 90;
    let text = match json!(action) {
        Value::Object(map) => map.into_iter().map(|(name, detail)| format!("{name}: {detail}")).collect::<String>(),
        other => other.to_string(),
    };
    match text.char_indices().nth(LONGEST) {
        Some((end, _)) => format!("{}...", &text[..end]),
        None => text,
    }
}

/// Explains a path in the image by the actions that make or change it; `None` if no action names it.
pub(super) fn file(path: &str, content: &Content<'_>, places: &Places) -> Option<Answer> {
    let mut answer = Answer::new("file", path, format!("file {path}"));
    let mut by = Vec::new();
    for told in &content.steps {
        for (at, action) in told.actions.iter().enumerate() {
            let Some(how) = touches(action, path) else { continue };
            let place = places.step(told.id, Some((at, told.actions.len())));
            answer.fact("step", format!("{}, action {}: {how} it ({})", told.id, at + 1, in_words(action)));
            answer.facts("written at", place.iter().cloned().collect());
            by.push(json!({ "step": told.id, "action": at + 1, "how": how, "place": place }));
        }
    }
    if by.is_empty() {
        return None;
    }
    answer.value("actions", json!(by));
    Some(answer)
}

/// Returns what an action does with a path, if it names the path or a directory above it.
fn touches(action: &Action, path: &str) -> Option<&'static str> {
    let within = |above: &str| {
        path == above || path.strip_prefix(above.trim_end_matches('/')).is_some_and(|rest| rest.starts_with('/'))
    };
    let globbed = |globs: &[String]| {
        let matches = |glob: &String| globset::Glob::new(glob).is_ok_and(|glob| glob.compile_matcher().is_match(path));
        globs.iter().any(|glob| matches(glob) || within(glob))
    };
    match action {
        Action::Write(it) if it.path == path => Some("writes"),
        Action::Copy(it) if within(&it.path) => Some("copies"),
        Action::Extract(it) if within(&it.path) => Some("may unpack"),
        Action::Edit(it) if it.path == path => Some("edits"),
        Action::Remove(globs) if globbed(globs) => Some("removes"),
        Action::Empty(globs) if globbed(globs) => Some("empties"),
        Action::Permissions(it) if globbed(std::slice::from_ref(&it.path)) => Some("sets the permissions of"),
        Action::Mkdir(it) if it.path == path => Some("makes"),
        Action::Symlink(it) if it.path == path => Some("links"),
        Action::Move(it) if within(&it.from) => Some("moves away"),
        Action::Move(it) if within(&it.to) => Some("moves in"),
        _ => None,
    }
}

/// Explains a package.
pub(super) fn package(name: &str, by: &[String], places: &Places) -> Answer {
    let mut answer = Answer::new("package", name, format!("package {name}"));
    let mut asked = Vec::new();
    for one in by {
        let element = places.element(one).filter(|_| places.listed(one).is_some());
        let place = if element.is_some() { places.asked_by(one, name) } else { places.asked(name) };
        let listed = places.listed(one);
        match &element {
            Some(element) => answer.fact("asked for by", format!("the element `{one}` of {}", element.origin)),
            None => answer.fact("asked for by", format!("the recipe `{one}`")),
        }
        answer.facts("written at", place.iter().cloned().collect());
        answer.facts("listed at", listed.iter().cloned().collect());
        asked.push(json!({ "by": one, "place": place, "listed": listed }));
    }
    answer.value("asked", json!(asked));
    answer
}

/// Explains a check of an element or of the recipe.
pub(super) fn check(id: &str, (by, check): &(String, Check), places: &Places) -> Answer {
    let mut answer = Answer::new("check", id, format!("check {id}: {}", as_written(check)));
    answer.fact(
        "brought by",
        match places.listed(by) {
            Some(listed) => format!("the element `{by}`, which {listed} lists"),
            None => format!("the recipe `{by}`"),
        },
    );
    answer.fact(
        "made",
        match check {
            Check::Booted(_) => "in the running image, at every boot",
            _ => "on the disk, before the image boots",
        },
    );
    answer.fact("if it fails", "error: the image fails, and is not published");
    answer.fact("what to do", "find the step that undoes it: an element or a step of the recipe that comes later");
    answer.value("check", json!(check));
    answer.value("by", json!(by));
    answer
}

fn as_written(check: &Check) -> String {
    match json!(check) {
        Value::Object(map) => map.into_iter().map(|(name, detail)| format!("{name}: {detail}")).collect(),
        other => other.to_string(),
    }
}
