//! Explains why a layer is missing: by the differences between its ingredients and those of an earlier build.

use std::collections::BTreeSet;

use serde_json::Value;

use crate::text::printable;

/// Number of differences that are shown before the rest is only counted.
const LIMIT: usize = 4;

/// Describes the differences between the ingredients of two keys, separated by commas. Empty if they are equal.
///
/// Ingredients that are missing or have an unexpected form are compared as far as possible.
pub fn difference(old: &Value, new: &Value) -> String {
    if old == new {
        return String::new();
    }
    let mut found = Vec::new();
    if old.get("format") != new.get("format") {
        return "this version of goldsmith computes keys in another way".to_owned();
    }
    for name in names(old, new) {
        let (old, new) = (old.get(name), new.get(name));
        if old == new {
            continue;
        }
        let (old, new) = (old.unwrap_or(&Value::Null), new.unwrap_or(&Value::Null));
        match name {
            "parent" => found.push("an earlier step changed".to_owned()),
            "actions" => actions(items(old), items(new), &mut found),
            "files" => files(old, new, &mut found),
            "packages" => packages(old, new, &mut found),
            "repositories" => repositories(old, new, &mut found),
            "network" if new == true => found.push("may use the network now".to_owned()),
            "network" if old == true => found.push("may not use the network any more".to_owned()),
            "network" => {}
            other => values(other, old, new, &mut found),
        }
    }
    if found.is_empty() {
        // For instance missing and null, or lists in another order.
        found.push("its ingredients are written in another way".to_owned());
    }
    if found.len() > LIMIT {
        let more = found.len() - (LIMIT - 1);
        found.truncate(LIMIT - 1);
        found.push(format!("{more} more differences"));
    }
    printable(found.join(", ").as_bytes())
}

/// Returns all keys of two objects, those of the old one first.
fn names<'a>(old: &'a Value, new: &'a Value) -> Vec<&'a str> {
    let mut names: Vec<&str> = members(old).map(|(name, _)| name.as_str()).collect();
    names.extend(members(new).map(|(name, _)| name.as_str()).filter(|name| old.get(name).is_none()));
    names
}

fn members(value: &Value) -> impl Iterator<Item = (&String, &Value)> {
    value.as_object().into_iter().flatten()
}

fn items(value: &Value) -> &[Value] {
    value.as_array().map_or(&[], Vec::as_slice)
}

/// Compares the actions between the common beginning and the common end of both lists.
fn actions(old: &[Value], new: &[Value], found: &mut Vec<String>) {
    let start = old.iter().zip(new).take_while(|(old, new)| old == new).count();
    let (old_rest, new_rest) = (&old[start..], &new[start..]);
    let end = old_rest.iter().rev().zip(new_rest.iter().rev()).take_while(|(old, new)| old == new).count();
    let old_rest = &old_rest[..old_rest.len() - end];
    let new_rest = &new_rest[..new_rest.len() - end];
    for index in 0..old_rest.len().max(new_rest.len()) {
        let number = start + index + 1;
        match (old_rest.get(index), new_rest.get(index)) {
            (Some(old), Some(new)) if old != new => {
                let (before, after) = (action(old), action(new));
                if before == after {
                    found.push(format!("action {number} ({after}) changed{}", values_of_action(old, new)));
                } else {
                    found.push(format!("action {number} ({before}) is now: {after}"));
                }
            }
            (None, Some(new)) => found.push(format!("action {number} ({}) is new", action(new))),
            (Some(old), None) => found.push(format!("action {number} ({}) is gone", action(old))),
            _ => {}
        }
    }
}

/// Returns the old and the new values of an action, to follow the word `changed`.
fn values_of_action(old: &Value, new: &Value) -> String {
    let detail = |action: &Value| members(action).next().map(|(_, detail)| detail.clone()).unwrap_or_default();
    let (old, new) = (detail(old), detail(new));
    let mut found = Vec::new();
    if old.is_object() && new.is_object() {
        for name in names(&old, &new) {
            let (old, new) = (old.get(name).unwrap_or(&Value::Null), new.get(name).unwrap_or(&Value::Null));
            if old != new {
                values(name, old, new, &mut found);
            }
        }
    } else {
        values("", &old, &new, &mut found);
    }
    found.truncate(LIMIT);
    // Values that are too long to show say no more than the word itself.
    found.retain(|text| text.contains(ARROW) || text.contains(" + ") || text.contains(" - "));
    if found.is_empty() { String::new() } else { format!(", {}", found.join(", ")) }
}

/// Stands between an old and a new value.
const ARROW: &str = " -> ";

/// Describes an action in a few words: `write /etc/motd`.
fn action(value: &Value) -> String {
    let Some((name, detail)) = members(value).next() else { return "?".to_owned() };
    let subject = match detail {
        Value::String(text) => Some(text.as_str()),
        Value::Array(items) => items.first().and_then(Value::as_str),
        detail => ["path", "script", "from", "name"].iter().find_map(|key| detail.get(key)?.as_str()),
    };
    match subject {
        Some(subject) => format!("{name} {subject}"),
        None => name.clone(),
    }
}

fn files(old: &Value, new: &Value, found: &mut Vec<String>) {
    for name in names(old, new) {
        match (old.get(name), new.get(name)) {
            (Some(old), Some(new)) if old != new => {
                let differ = |keys: &[&str]| keys.iter().any(|key| old.get(key) != new.get(key));
                found.push(if differ(&["kind", "sha256", "target", "first"]) {
                    format!("{name} changed")
                } else if differ(&["mode"]) {
                    format!("the mode of {name} changed")
                } else {
                    format!("extended attributes of {name} changed")
                });
            }
            (None, Some(_)) => found.push(format!("{name} is new")),
            (Some(_), None) => found.push(format!("{name} is gone")),
            _ => {}
        }
    }
}

fn packages(old: &Value, new: &Value, found: &mut Vec<String>) {
    let set = |value| items(value).iter().filter_map(Value::as_str).collect::<BTreeSet<_>>();
    let (old, new) = (set(old), set(new));
    let mut changes: Vec<_> = new.difference(&old).map(|name| format!("+ {name}")).collect();
    changes.extend(old.difference(&new).map(|name| format!("- {name}")));
    if changes.len() > LIMIT {
        let more = changes.len() - (LIMIT - 1);
        changes.truncate(LIMIT - 1);
        changes.push(format!("and {more} more"));
    }
    if !changes.is_empty() {
        found.push(format!("packages: {}", changes.join(" ")));
    }
}

fn repositories(old: &Value, new: &Value, found: &mut Vec<String>) {
    for name in names(old, new) {
        match (old.get(name), new.get(name)) {
            (Some(old), Some(new)) if old != new => found.push(format!("repository {name} moved on")),
            (None, Some(_)) => found.push(format!("repository {name} is new")),
            (Some(_), None) => found.push(format!("repository {name} is gone")),
            _ => {}
        }
    }
}

/// Compares other values, and names them by their path.
fn values(path: &str, old: &Value, new: &Value, found: &mut Vec<String>) {
    if old.is_object() && new.is_object() {
        for name in names(old, new) {
            let (old, new) = (old.get(name).unwrap_or(&Value::Null), new.get(name).unwrap_or(&Value::Null));
            if old != new {
                values(&format!("{path}.{name}"), old, new, found);
            }
        }
        return;
    }
    let label = |text: String| if path.is_empty() { text } else { format!("{path}: {text}") };
    if let (Value::Array(old), Value::Array(new)) = (old, new)
        && let Some(text) = items_changed(old, new)
    {
        found.push(label(text));
        return;
    }
    let lines = match (old, new) {
        (Value::String(old), Value::String(new)) => line_changed(old, new),
        _ => None,
    };
    match lines.or_else(|| Some(format!("{}{ARROW}{}", short(old)?, short(new)?))) {
        Some(text) => found.push(label(text)),
        None => found.push(format!("{path} changed")),
    }
}

/// Returns the entries of a list of texts that are new or gone; `None` if the list has something else, or only another order.
fn items_changed(old: &[Value], new: &[Value]) -> Option<String> {
    let texts = |list: &[Value]| list.iter().map(short).collect::<Option<Vec<_>>>();
    let (old, new) = (texts(old)?, texts(new)?);
    let mut changes: Vec<_> = new.iter().filter(|text| !old.contains(text)).map(|text| format!("+ {text}")).collect();
    changes.extend(old.iter().filter(|text| !new.contains(text)).map(|text| format!("- {text}")));
    changes.truncate(LIMIT);
    (!changes.is_empty()).then(|| changes.join(" "))
}

/// Returns the first line that differs between two texts of several lines.
fn line_changed(old: &str, new: &str) -> Option<String> {
    if old.trim_end().lines().count() < 2 && new.trim_end().lines().count() < 2 {
        return None;
    }
    let (mut before, mut after) = (old.lines(), new.lines());
    loop {
        match (before.next(), after.next()) {
            (None, None) => return None,
            (old, new) if old == new => {}
            (old, new) => {
                let shown = |line: Option<&str>| short(&Value::from(line.map_or("none", str::trim)));
                return Some(format!("{}{ARROW}{}", shown(old)?, shown(new)?));
            }
        }
    }
}

/// Returns the text of a value, unless it is too long to show.
fn short(value: &Value) -> Option<String> {
    let text = match value {
        Value::Null => "none".to_owned(),
        Value::String(text) => text.trim_end().to_owned(),
        Value::Bool(_) | Value::Number(_) => value.to_string(),
        Value::Array(_) | Value::Object(_) => return None,
    };
    // Digests are useless to people.
    (text.len() < 40).then_some(text)
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn ingredients() -> Value {
        json!({
            "format": 1,
            "parent": "aa",
            "step": { "phase": "configure", "element": "sshd" },
            "actions": [
                { "packages": { "install": ["nginx"] } },
                { "write": { "path": "/etc/motd", "content": "hello" } },
                { "run": { "script": "scripts/harden.sh" } },
                { "remove": ["/var/tmp/x", "/var/tmp/y"] },
            ],
            "files": { "scripts/harden.sh": { "sha256": "00", "mode": 493 } },
            "network": false,
            "repositories": { "bookworm": "11", "bookworm-security": "22" },
            "packages": ["curl", "vim"],
            "base": { "bootstrap": { "release": "bookworm" } },
            "disk": { "size": 3, "layout": ["esp", "root"], "digest": "0123456789012345678901234567890123456789" },
        })
    }

    fn with(pointer: &str, value: Value) -> Value {
        let mut changed = ingredients();
        *changed.pointer_mut(pointer).expect("the ingredients have it") = value;
        changed
    }

    fn without(pointer: &str, name: &str) -> Value {
        let mut changed = ingredients();
        let object = changed.pointer_mut(pointer).and_then(Value::as_object_mut).expect("an object");
        object.remove(name).expect("the object has it");
        changed
    }

    #[test]
    fn differences_are_told_in_words() {
        let hostname = json!({ "hostname": "web" });
        let mut longer = items(&ingredients()["actions"]).to_vec();
        longer.insert(1, hostname.clone());
        let many: Vec<_> = "abcdef".chars().map(String::from).chain(["curl".into(), "vim".into()]).collect();
        for (new, words) in [
            (ingredients(), ""),
            (with("/format", json!(2)), "this version of goldsmith computes keys in another way"),
            (with("/parent", json!("bb")), "an earlier step changed"),
            (with("/parent", json!(null)), "an earlier step changed"),
            (with("/files/scripts~1harden.sh/sha256", json!("01")), "scripts/harden.sh changed"),
            (with("/files/scripts~1harden.sh/mode", json!(420)), "the mode of scripts/harden.sh changed"),
            (with("/files", json!({})), "scripts/harden.sh is gone"),
            (with("/packages", json!(["curl", "nginx", "vim"])), "packages: + nginx"),
            (with("/packages", json!(["curl", "nginx"])), "packages: + nginx - vim"),
            (with("/packages", json!(many)), "packages: + a + b + c and 3 more"),
            (with("/packages", json!([&many[..4], &many[6..]].concat())), "packages: + a + b + c + d"),
            (with("/packages", json!(["vim", "curl"])), "its ingredients are written in another way"),
            (with("/repositories/bookworm-security", json!("23")), "repository bookworm-security moved on"),
            (without("/repositories", "bookworm-security"), "repository bookworm-security is gone"),
            (with("/network", json!(true)), "may use the network now"),
            (without("", "network"), "its ingredients are written in another way"),
            (
                with("/actions/1/write/content", json!("bye")),
                "action 2 (write /etc/motd) changed, content: hello -> bye",
            ),
            (
                with("/actions/0/packages/install/0", json!("apache2")),
                "action 1 (packages) changed, install: + apache2 - nginx",
            ),
            (with("/actions/3/remove/1", json!("/z")), "action 4 (remove /var/tmp/x) changed, + /z - /var/tmp/y"),
            (with("/actions/2", hostname), "action 3 (run scripts/harden.sh) is now: hostname web"),
            (with("/actions", json!(longer)), "action 2 (hostname web) is new"),
            (
                with("/actions", json!(longer[..1])),
                "action 2 (write /etc/motd) is gone, action 3 (run scripts/harden.sh) is gone, \
                 action 4 (remove /var/tmp/x) is gone",
            ),
            (with("/base/bootstrap/release", json!("trixie")), "base.bootstrap.release: bookworm -> trixie"),
            (with("/disk/size", json!(4)), "disk.size: 3 -> 4"),
            (with("/disk/layout", json!(["root"])), "disk.layout: - esp"),
            (
                with("/actions/1/write/content", json!("hello\nall\n")),
                "action 2 (write /etc/motd) changed, content: none -> all",
            ),
            (with("/actions/1/write/content", json!("x".repeat(80))), "action 2 (write /etc/motd) changed"),
            (with("/disk/digest", json!("x")), "disk.digest changed"),
            (without("", "disk"), "disk changed"),
            (json!(null), "this version of goldsmith computes keys in another way"),
            (
                json!({ "format": 1 }),
                "an earlier step changed, step changed, action 1 (packages) is gone, 9 more differences",
            ),
        ] {
            assert_eq!(difference(&ingredients(), &new), words, "{new}");
        }
    }

    #[test]
    fn what_is_new_is_told_as_such() {
        let old = with("/files", json!({}));
        assert_eq!(difference(&old, &ingredients()), "scripts/harden.sh is new");
        let old = with("/network", json!(true));
        assert_eq!(difference(&old, &ingredients()), "may not use the network any more");
        let old = without("/repositories", "bookworm");
        assert_eq!(difference(&old, &ingredients()), "repository bookworm is new");
    }

    #[test]
    fn odd_shapes_are_compared_without_fuss() {
        for (old, new) in [
            (json!({ "actions": "x" }), json!({ "actions": 7 })),
            (json!({ "actions": [null, {}] }), json!({ "actions": [7] })),
            (json!({ "files": [1] }), json!({ "files": { "a": null } })),
            (json!({ "packages": { "a": 1 } }), json!({ "packages": [1, [2]] })),
            (json!({ "repositories": "x" }), json!({ "repositories": null })),
            (json!([1]), json!("two")),
        ] {
            assert_ne!(difference(&old, &new), "", "{old} {new}");
        }
        assert_eq!(difference(&json!({ "x": "\u{1b}[31m" }), &json!({ "x": "b" })), "x:  -> b");
    }
}
