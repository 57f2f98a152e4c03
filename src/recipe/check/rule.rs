//! Rules for texts: applies them at places of a tree, and reports missing keys.

use std::sync::Arc;

use crate::syntax::Rule;
use crate::yaml::{Diagnostic, Node, Source, Value, near};

/// Reports missing keys of a file, and marks them as faulty, so that decoding does not report them again.
pub(crate) fn require(root: &mut Node, keys: &[&str], source: &Arc<Source>, found: &mut Vec<Diagnostic>) {
    let Value::Map(map) = &mut root.value else { return };
    for key in keys {
        if !map.entries.iter().any(|(name, _)| name.text == *key) && !map.faulty.iter().any(|name| name == key) {
            // Decoding reports a misspelt key as such.
            if !map.entries.iter().any(|(name, _)| near(&name.text, [key]).is_some()) {
                found.push(Diagnostic::of_file(source, format!("`{key}` is missing")));
            }
            map.faulty.push((*key).to_owned());
        }
    }
}

/// Reports texts at places of a tree that break the rule for their place.
pub(crate) fn apply(rules: &[(&str, Rule)], root: &Node, source: &Arc<Source>, found: &mut Vec<Diagnostic>) {
    for (place, rule) in rules {
        let mut nodes = vec![root];
        for step in place.split('.').filter(|step| !step.is_empty()) {
            nodes = nodes
                .into_iter()
                .flat_map(|node| match step {
                    "*" => node.list().iter().collect::<Vec<_>>(),
                    key => node.get(key).into_iter().collect(),
                })
                .collect();
        }
        for node in nodes {
            if let Some(text) = node.printed()
                && let Err(message) = rule(&text)
            {
                found.push(Diagnostic::new(source, node.span, message));
            }
        }
    }
}

/// The messages of a check about a text.
#[cfg(test)]
pub(super) fn messages(text: &str, check: impl Fn(&Node, &Arc<Source>, &mut Vec<Diagnostic>)) -> Vec<String> {
    let source = Source::new("x.yaml", text);
    let mut found = Vec::new();
    check(&crate::yaml::parse(&source).0.expect("it is YAML"), &source, &mut found);
    found.iter().map(|found| found.message().to_owned()).collect()
}
