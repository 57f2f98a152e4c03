//! Checks of actions, package names and the `checks` of recipes and elements.

use std::collections::BTreeSet;
use std::sync::Arc;

use super::rule::apply;
use crate::action::Action;
use crate::element::schema::Steps;
use crate::recipe::secret::lacking;
use crate::syntax::*;
use crate::yaml::{Diagnostic, Node, Source, Span, near};

/// Places in an entry of `checks`, and the rule for the text there.
const CHECKS: &[(&str, Rule)] = &[
    ("kernel-arg", kernel_argument),
    ("path-exists", file_path),
    ("path-absent", file_path),
    ("file-empty", file_path),
    ("file-matches.path", file_path),
    ("file-matches.pattern", pattern),
    ("file-lacks.path", file_path),
    ("file-lacks.pattern", pattern),
    ("service-enabled", unit),
    ("service-off", unit),
    ("package-installed", package),
    ("booted.serial", pattern),
    ("booted.command", anything),
];

/// Checks a list of package names.
pub(crate) fn packages(node: &Node, source: &Arc<Source>, found: &mut Vec<Diagnostic>) {
    apply(&[("*", package)], node, source, found);
}

/// Checks the actions of every phase that a tree has.
pub(crate) fn actions(root: &Node, secrets: &BTreeSet<&str>, source: &Arc<Source>, found: &mut Vec<Diagnostic>) {
    for phase in Steps::PHASES {
        for action in root.get(phase).map_or(&[][..], Node::list) {
            for (name, texts) in Action::TEXTS {
                if let Some(value) = action.get(name) {
                    apply(texts, value, source, found);
                }
            }
            for replace in action.get("edit").and_then(|edit| edit.get("replace")).map_or(&[][..], Node::list) {
                replacement(replace, source, found);
            }
            if let Some(permissions) = action.get("permissions") {
                something_to_set(
                    permissions,
                    action.key("permissions").map_or(action.span, |key| key.span),
                    source,
                    found,
                );
            }
            if let Some(run) = action.get("run") {
                let key = action.key("run").map_or(action.span, |key| key.span);
                script(run, key, source, found);
                environment(run, source, found);
                known_secrets(run, secrets, source, found);
            }
            if let Some(ansible) = action.get("ansible") {
                known_secrets(ansible, secrets, source, found);
            }
        }
    }
}

/// Checks that the recipe has the secrets that an action names.
fn known_secrets(action: &Node, secrets: &BTreeSet<&str>, source: &Arc<Source>, found: &mut Vec<Diagnostic>) {
    for secret in action.get("secrets").map_or(&[][..], Node::list) {
        if let Some(name) = secret.text().filter(|name| !secrets.contains(name)) {
            let (message, help) = lacking(name);
            let diagnostic = Diagnostic::new(source, secret.span, message);
            found.push(diagnostic.did_you_mean(near(name, secrets)).help(help));
        }
    }
}

/// Checks that `permissions` changes something.
fn something_to_set(permissions: &Node, key: Span, source: &Arc<Source>, found: &mut Vec<Diagnostic>) {
    if permissions.map().is_some_and(|map| map.faulty.is_empty())
        && permissions.get("mode").is_none()
        && permissions.get("owner").is_none()
    {
        let diagnostic = Diagnostic::new(source, key, "`permissions` changes nothing");
        found.push(diagnostic.help("give `mode: \"0640\"` or `owner: USER:GROUP`"));
    }
}

/// Checks the entries of `checks`.
pub(crate) fn checks(root: &Node, source: &Arc<Source>, found: &mut Vec<Diagnostic>) {
    for check in root.get("checks").map_or(&[][..], Node::list) {
        apply(CHECKS, check, source, found);
    }
}

/// Checks that a replacement names groups of its pattern only: any other would be replaced by nothing.
fn replacement(replace: &Node, source: &Arc<Source>, found: &mut Vec<Diagnostic>) {
    let (Some(pattern), Some(with)) = (replace.get("pattern").and_then(Node::text), replace.get("with")) else {
        return;
    };
    let (Ok(pattern), Some(text)) = (regex::Regex::new(pattern), with.text()) else { return };
    let mut rest = text;
    while let Some((_, after)) = rest.split_once('$') {
        rest = after;
        let word = |text: &str| text.find(|c: char| !c.is_ascii_alphanumeric() && c != '_').unwrap_or(text.len());
        let (name, length) = match after.strip_prefix('{').and_then(|inner| inner.split_once('}')) {
            Some((name, _)) => (name, name.len() + 2),
            None if after.starts_with('$') => {
                rest = &after[1..];
                continue;
            }
            None => (&after[..word(after)], word(after)),
        };
        let number = name.parse::<usize>().is_ok_and(|number| number < pattern.captures_len());
        if name.is_empty() || number || pattern.capture_names().flatten().any(|group| group == name) {
            continue;
        }
        let message = format!("`${}` is no group of the pattern", &after[..length]);
        let help = "write `${1}` before a letter, a digit or `_`, and `$$` for a dollar sign";
        found.push(Diagnostic::new(source, with.span, message).help(help));
    }
}

fn script(run: &Node, key: Span, source: &Arc<Source>, found: &mut Vec<Diagnostic>) {
    let Some(map) = run.map() else { return };
    match (run.key("script"), run.key("inline")) {
        (Some(script), Some(inline)) => {
            let message = "`run` has either `script` or `inline`, not both";
            found.push(Diagnostic::new(source, inline.span, message).also(script.span, "here is the other"));
        }
        (None, None) if map.faulty.is_empty() => {
            let diagnostic = Diagnostic::new(source, key, "`run` needs a script");
            found.push(diagnostic.help("give `script: FILE` or `inline: TEXT`"));
        }
        _ => {}
    }
}

fn environment(run: &Node, source: &Arc<Source>, found: &mut Vec<Diagnostic>) {
    for (key, value) in run.get("env").and_then(Node::map).map_or(&[][..], |map| &map.entries) {
        if let Err(message) = variable(&key.text) {
            found.push(Diagnostic::new(source, key.span, message));
        }
        if value.text().is_some_and(|text| text.contains('\0')) {
            found.push(Diagnostic::new(source, value.span, "a variable cannot have a NUL character"));
        }
    }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;

    use serde_json::Value as Json;

    use super::super::rule::messages;
    use super::*;
    use crate::element::schema::Check;

    /// Places of texts in a schema, as rules name them.
    fn texts(schema: &Json, definitions: &Json, place: &str, found: &mut BTreeMap<String, bool>) {
        let below = |name: &str| if place.is_empty() { name.to_owned() } else { format!("{place}.{name}") };
        if let Some(name) = schema["$ref"].as_str() {
            let name = name.rsplit('/').next().expect("a name");
            return texts(&definitions[name], definitions, place, found);
        }
        for key in ["oneOf", "anyOf", "allOf"] {
            for one in schema[key].as_array().into_iter().flatten() {
                texts(one, definitions, place, found);
            }
        }
        for (name, property) in schema["properties"].as_object().into_iter().flatten() {
            texts(property, definitions, &below(name), found);
        }
        if schema["items"].is_object() {
            texts(&schema["items"], definitions, &below("*"), found);
        }
        let is_text = schema["type"] == "string"
            || schema["type"].as_array().is_some_and(|types| types.contains(&"string".into()));
        if is_text && schema["enum"].is_null() && schema["const"].is_null() {
            found.insert(place.to_owned(), true);
        }
    }

    fn all_texts<T: schemars::JsonSchema>() -> BTreeSet<String> {
        let schema = schemars::schema_for!(T).to_value();
        let mut found = BTreeMap::new();
        texts(&schema, &schema["$defs"], "", &mut found);
        found.into_keys().collect()
    }

    #[test]
    fn every_text_of_an_action_and_of_an_assertion_has_a_rule() {
        let places = |name: &str, texts: &[(&str, Rule)]| -> Vec<String> {
            texts.iter().map(|(place, _)| format!("{name}.{place}").trim_matches('.').to_owned()).collect()
        };
        let actions = Action::TEXTS.iter().flat_map(|(name, texts)| places(name, texts)).collect();
        let checks = places("", CHECKS).into_iter().collect();
        for (ruled, texts) in [(actions, all_texts::<Action>()), (checks, all_texts::<Check>())] {
            let ruled: BTreeSet<String> = ruled;
            let missing: Vec<_> = texts.difference(&ruled).collect();
            let unknown: Vec<_> = ruled.difference(&texts).collect();
            assert!(missing.is_empty() && unknown.is_empty(), "without a rule: {missing:?}, not there: {unknown:?}");
        }
    }

    #[test]
    fn actions_are_sane() {
        for (action, message) in [
            ("write: { path: etc/x }", "`etc/x` is not an absolute path in the image"),
            ("write: { path: /etc/../x }", "`/etc/../x` has a `..`"),
            ("remove: [/a, /]", "`/` is the whole image"),
            ("copy: { path: / }", ""),
            ("edit: { path: /a, delete: ['(', 'a'] }", "`(` is not a regular expression"),
            ("edit: { path: /a, replace: [{ pattern: '[' }] }", "`[` is not a regular expression"),
            ("edit: { path: /a, replace: [{ pattern: '(a)', with: $1ed }] }", "`$1ed` is no group of the pattern"),
            ("edit: { path: /a, replace: [{ pattern: a, with: '$HOME' }] }", "`$HOME` is no group of the pattern"),
            ("edit: { path: /a, replace: [{ pattern: a, with: '${1}' }] }", "`${1}` is no group of the pattern"),
            ("edit: { path: /a, replace: [{ pattern: '(?<x>a)', with: '$0 ${1}ed $x $$HOME 5 $ $.' }] }", ""),
            ("edit: { path: /a, ensure-line: \"a\\nb\" }", "this must be one line"),
            ("packages: { install: [-y] }", "`-y` is not the name of a package"),
            ("packages: { install: [a b] }", "`a b` is not the name of a package"),
            ("packages: { install: [g++, 'libc6:i386', nginx=1.2~3] }", ""),
            ("run: { inline: x, script: y }", "`run` has either `script` or `inline`, not both"),
            ("run: {}", "`run` needs a script"),
            ("run: { inline: x, env: { A-B: c } }", "`A-B` cannot name an environment variable"),
            ("run: { inline: x, args: [\"a\\0\"] }", "an argument cannot have a NUL character"),
            ("run: { inline: x, secrets: [tokn] }", "the recipe has no secret `tokn`"),
            ("run: { inline: x, secrets: [token] }", ""),
            ("user: { name: 'root:0' }", "`root:0` is not a user or group name"),
            ("user: { name: a, password-hash: secret }", "this is not the hash of a password by a strong method"),
            ("user: { name: a, password-hash: $1$salt$hash }", "this is not the hash of a password by a strong method"),
            (
                "user: { name: a, password-hash: '$6$salt$a:b' }",
                "this is not the hash of a password by a strong method",
            ),
            ("user: { name: a, password-hash: '$6$rounds=5000$salt$aB./' }", ""),
            ("user: { name: a, password-hash: $y$j9T$salt$hash }", ""),
            ("permissions: { path: /a }", "`permissions` changes nothing"),
            ("permissions: { path: /a, owner: a }", ""),
            ("permissions: { path: /a/*, mode: '0640' }", ""),
            ("permissions: { path: a, mode: '0640' }", "`a` is not an absolute path in the image"),
            ("hostname: a_b", "`a_b` is not a host name"),
            ("timezone: ../../etc/passwd", "`../../etc/passwd` is not a time zone"),
            ("locale: 'a b'", "`a b` is not a locale"),
            ("service: { enable: ['a b'] }", "`a b` is not the name of a unit"),
            ("kernel-args: { add: ['a b'] }", "`a b` is not one kernel argument"),
            ("write: { path: /a, owner: 'a:b:c' }", "`a:b:c` is not `user` or `user:group`"),
        ] {
            let found = messages(&format!("boot:\n  - {action}\n"), |node, source, found| {
                actions(node, &BTreeSet::from(["token"]), source, found);
            });
            let fits =
                if message.is_empty() { found.is_empty() } else { found.len() == 1 && found[0].starts_with(message) };
            assert!(fits, "{action}: {found:?}");
        }
    }

    #[test]
    fn checks_are_sane() {
        for (check, message) in [
            ("path-exists: x", "`x` is not an absolute path"),
            ("file-lacks: { path: /a, pattern: ')' }", "`)` is not a regular expression"),
            ("booted: { serial: '*' }", "`*` is not a regular expression"),
        ] {
            let found = messages(&format!("checks: [{{ {check} }}]\n"), checks);
            assert!(found.len() == 1 && found[0].starts_with(message), "{check}: {found:?}");
        }
    }
}
