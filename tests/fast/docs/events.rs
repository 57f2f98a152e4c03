//! Events of `--json`: those of builds from the type itself, the others from the page.

use std::collections::BTreeSet;
use std::path::Path;

use super::generated::{head, row};
use super::pages;

/// The page that lists them.
const PAGE: &str = "docs/src/reference/events.md";

/// The type whose variants are the events of builds.
const SOURCE: &str = include_str!("../../../src/event.rs");

/// A table of the events of `goldsmith::event::Event`, with the sentences above variants and fields.
pub(crate) fn of_builds() -> String {
    let body = SOURCE.split("pub enum Event {").nth(1).and_then(|rest| rest.split("\n}").next()).expect("the type");
    let mut text = head(["event", "meaning", "keys"]);
    let (mut sentence, mut event, mut keys) = (String::new(), None::<(String, String)>, Vec::new());
    for line in body.lines().map(str::trim).filter(|line| !line.starts_with("#[")) {
        if let Some(part) = line.strip_prefix("/// ") {
            sentence = format!("{sentence} {part}").trim().to_owned();
        } else if let Some(name) = line.strip_suffix(" {") {
            event = Some((kebab(name), std::mem::take(&mut sentence)));
        } else if let Some((key, _)) = line.split_once(": ") {
            keys.push(format!("`{key}`: {}", std::mem::take(&mut sentence)));
        } else if let Some((name, meaning)) = event.take() {
            text.push_str(&row([&format!("`{name}`"), &meaning, &std::mem::take(&mut keys).join(" ")]));
        }
    }
    text
}

fn kebab(name: &str) -> String {
    let mut text = String::new();
    for c in name.chars() {
        if c.is_ascii_uppercase() && !text.is_empty() {
            text.push('-');
        }
        text.push(c.to_ascii_lowercase());
    }
    text
}

/// Names behind `"event": ` in the source of the commands.
fn written(path: &Path, found: &mut BTreeSet<String>) {
    if path.is_dir() {
        let entries = std::fs::read_dir(path).expect("a directory can be read");
        entries.for_each(|entry| written(&entry.expect("an entry can be read").path(), found));
        return;
    }
    let text = std::fs::read_to_string(path).expect("source can be read");
    let code = text.split("#[cfg(test)]").next().unwrap_or_default();
    found.extend(code.split("\"event\": \"").skip(1).filter_map(|rest| rest.split('"').next()).map(str::to_owned));
}

#[test]
fn every_event_is_listed() {
    let mut events = BTreeSet::new();
    written(&pages::root().join("src/cli"), &mut events);
    assert!(events.contains("exported") && events.contains("failed"), "the search is blind: {events:?}");
    let text = std::fs::read_to_string(pages::root().join(PAGE)).expect("the page is there");
    let missing: Vec<_> = events.iter().filter(|event| !text.contains(&format!("`{event}`"))).collect();
    assert!(missing.is_empty(), "{PAGE} does not list {missing:?}");
}

#[test]
fn an_event_has_its_meaning_and_its_keys() {
    let text = of_builds();
    assert!(text.contains("| `step-failed` | A step has failed."), "{text}");
    assert!(text.lines().any(|row| row.starts_with("| `progress` |") && row.contains("`total`: ")), "{text}");
}
