//! The result of `goldsmith diff`, for people.

use std::collections::HashMap;
use std::path::Path;

use serde_json::{Map, Value};

use crate::cli::failure::{Failure, FailureKind};
use crate::cli::output::columns;
use crate::diff::{Change, Difference, FileChange, How, Kind, Snapshot};
use crate::text::{escaped, printable};
use crate::units::ByteSize;

/// Most changes of one kind that are shown without `--all`.
const LIMIT: usize = 20;

/// Most changed lines of a text that are shown without `--all`.
const LINES: usize = 60;

/// All changes, grouped by kind.
pub(super) fn text(difference: &Difference<'_>, images: [(&Path, &Snapshot); 2], all: bool) -> String {
    let [(first, before), (second, _)] = images;
    let (first, second) = (first.display(), second.display());
    if difference.is_empty() {
        let packages = before.system["packages"].as_array().map_or(0, Vec::len);
        return format!("{first} and {second} are the same: {packages} packages, {} files\n", before.files.len());
    }
    let mut text = format!("{first} and {second} differ\n");
    for section in &difference.sections {
        let rows = section.changes.iter().map(|change| row(change, "", describe)).collect();
        let title = section.name.replace('_', " ");
        text.push_str(&table(&title, section.changes.iter().map(Change::how), rows, all));
    }
    let hows = difference.files.iter().map(FileChange::how);
    text.push_str(&table("files", hows, file_rows(&difference.files), all));
    text
}

/// A heading with counts, and rows below.
fn table(title: &str, hows: impl Iterator<Item = How> + Clone, mut rows: Vec<Vec<String>>, all: bool) -> String {
    let words = [(How::Added, "added"), (How::Removed, "removed"), (How::Changed, "changed")];
    let counts = words.map(|(how, word)| (hows.clone().filter(|other| *other == how).count(), word));
    let counts: Vec<_> =
        counts.iter().filter(|(count, _)| *count > 0).map(|(count, word)| format!("{count} {word}")).collect();
    if counts.is_empty() {
        return String::new();
    }
    let hidden = if all { 0 } else { rows.len().saturating_sub(LIMIT) };
    rows.truncate(rows.len() - hidden);
    let mut text = format!("\n{title}: {}\n", counts.join(", "));
    for line in columns(&rows).lines() {
        text.push_str(&format!("  {line}\n"));
    }
    if hidden > 0 {
        text.push_str(&format!("  and {hidden} more; --all shows them\n"));
    }
    text
}

fn row(change: &Change, more: &str, describe: impl Fn(&Map<String, Value>) -> String) -> Vec<String> {
    let (mark, what) = match (&change.before, &change.after) {
        (Some(before), Some(after)) => ("~", changed(before, after)),
        (None, Some(side)) => ("+", describe(side)),
        (Some(side), None) => ("-", describe(side)),
        (None, None) => ("~", String::new()),
    };
    vec![mark.to_owned(), printable(change.name.as_bytes()), printable(format!("{what}{more}").as_bytes())]
}

/// Describes the properties that changed.
fn changed(before: &Map<String, Value>, after: &Map<String, Value>) -> String {
    let pairs = before.iter().zip(after.values()).filter_map(|((key, old), new)| {
        if key == "sha256" {
            // The digests say nothing to people.
            return (!old.is_null() && !new.is_null()).then(|| "content".to_owned());
        }
        let (mut shown, mut new_shown) = (value(key, old), value(key, new));
        if shown == new_shown {
            // Both sizes are rounded to the same text.
            (shown, new_shown) = (old.to_string(), new.to_string());
        }
        Some(format!("{} {shown} -> {new_shown}", key.replace('_', " ")))
    });
    pairs.collect::<Vec<_>>().join(", ")
}

/// Describes the properties of a thing that is in one image only.
fn describe(properties: &Map<String, Value>) -> String {
    let said = properties.iter().filter(|(_, value)| !is_empty(value)).map(|(key, property)| match key.as_str() {
        "version" | "arch" | "state" | "kind" => value(key, property),
        _ => format!("{} {}", key.replace('_', " "), value(key, property)),
    });
    said.collect::<Vec<_>>().join(", ")
}

fn is_empty(value: &Value) -> bool {
    matches!(value, Value::Null | Value::Bool(false)) || value.as_array().is_some_and(Vec::is_empty)
}

/// A value of a property.
fn value(key: &str, value: &Value) -> String {
    match value {
        Value::Null => "none".to_owned(),
        Value::Bool(true) => "yes".to_owned(),
        Value::Bool(false) => "no".to_owned(),
        Value::String(text) => text.clone(),
        Value::Array(list) if list.is_empty() => "none".to_owned(),
        Value::Array(list) => list.iter().map(|item| self::value("", item)).collect::<Vec<_>>().join(" "),
        Value::Number(number) => match number.as_u64() {
            Some(bytes) if matches!(key, "size" | "start") => ByteSize::bytes(bytes).to_string(),
            _ => number.to_string(),
        },
        other => other.to_string(),
    }
}

/// Makes one row for a file, or for a whole directory that was added or removed.
fn file_rows(changes: &[FileChange<'_>]) -> Vec<Vec<String>> {
    // Paths are sorted, so that a directory comes before what is in it.
    let mut whole = HashMap::<(&[u8], How), usize>::new();
    let mut shown = Vec::new();
    for change in changes {
        let (path, how) = (change.path(), change.how());
        let parents = path.iter().enumerate().filter(|(_, byte)| **byte == b'/').map(|(at, _)| &path[..at]);
        if let Some(parent) = parents.into_iter().find(|parent| whole.contains_key(&(*parent, how))) {
            *whole.entry((parent, how)).or_default() += 1;
            continue;
        }
        let side = change.before.xor(change.after);
        if side.is_some_and(|file| file.kind == Kind::Directory) {
            whole.insert((path, how), 0);
        }
        shown.push(change);
    }
    let row = |change: &FileChange<'_>| {
        let more = match whole.get(&(change.path(), change.how())) {
            Some(count) if *count > 0 => format!(", with {count} below"),
            _ => String::new(),
        };
        row(&change.detailed(), &more, describe_file)
    };
    shown.into_iter().map(row).collect()
}

fn describe_file(properties: &Map<String, Value>) -> String {
    let shown = ["kind", "mode", "owner", "size", "target", "device"];
    let said = shown.iter().filter_map(|key| {
        let property = properties.get(*key)?;
        Some(match *key {
            "target" => format!("-> {}", value(key, property)),
            _ => value(key, property),
        })
    });
    said.collect::<Vec<_>>().join(" ")
}

/// The changed lines of all texts that changed.
pub(super) fn contents(
    difference: &Difference<'_>,
    images: [(&Path, &Snapshot); 2],
    all: bool,
) -> Result<String, Failure> {
    let [(_, before), (_, after)] = images;
    let mut text = String::new();
    for change in &difference.files {
        let lines = change.content(&before.archive, &after.archive);
        let Some(lines) = lines.map_err(|error| Failure::new(FailureKind::Host, &error))? else { continue };
        text.push_str(&format!("\n{}\n", escaped(change.path())));
        let count = lines.lines().count();
        let limit = if all { count } else { LINES };
        for line in lines.lines().take(limit) {
            // A carriage return must not hide the sign before the line.
            let (sign, rest) = line.split_at(line.len().min(1));
            text.push_str(&format!("  {sign}{}\n", printable(rest.as_bytes())));
        }
        if count > limit {
            text.push_str(&format!("  and {} more lines; --all shows them\n", count - limit));
        }
    }
    Ok(text)
}
