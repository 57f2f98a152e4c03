//! Values of parameters: defaults, and what a recipe gives its elements.

use std::collections::BTreeMap;
use std::sync::Arc;

use serde_json::Value as Json;

use super::typed::{accept, item_kind};
use crate::element::schema::Param;
use crate::recipe::template::{Variables, render};
use crate::yaml::{Diagnostic, Node, Source, Span, list, near};

/// Values of parameters, and the names of parameters whose value has an error.
#[derive(Debug, Default)]
pub(crate) struct Values {
    pub(crate) values: BTreeMap<String, Json>,
    pub(crate) faulty: Vec<String>,
}

/// Values that a recipe gives an element, by name: the place of the name, and the value.
pub(crate) type Given<'a> = BTreeMap<&'a str, (Span, &'a Node)>;

/// Checks declared parameters, and returns their default values. `declared` is the tree that the declarations were read from;
/// its templates see `variables`. A parameter without a default has no value.
pub(crate) fn defaults(
    params: &BTreeMap<String, Param>,
    declared: Option<&Node>,
    variables: &Variables,
    source: &Arc<Source>,
    found: &mut Vec<Diagnostic>,
) -> Values {
    let mut values = Values::default();
    for (name, param) in params {
        let node = declared.and_then(|declared| declared.get(name));
        if !is_identifier(name)
            && let Some(key) = declared.and_then(|declared| declared.key(name))
        {
            let diagnostic = Diagnostic::new(source, key.span, format!("`{name}` cannot name a parameter"));
            found.push(diagnostic.help("a name has letters, digits and `_`, so that templates can use it"));
        }
        for choice in node.and_then(|node| node.get("choices")).map_or(&[][..], Node::list) {
            let unbound = Param { choices: None, kind: item_kind(param.kind), ..param.clone() };
            if let Err(fault) = accept(&unbound, choice) {
                found.push(fault.at(source, choice.span, &format!("choice of `{name}`")));
            }
        }
        let Some(default) = node.and_then(|node| node.get("default")) else { continue };
        let value = render(default, variables, source, found);
        match value.map(|value| accept(param, &value)) {
            Some(Ok(value)) => {
                values.values.insert(name.clone(), value);
            }
            Some(Err(fault)) => {
                found.push(fault.at(source, default.span, &format!("default of `{name}`")));
                values.faulty.push(name.clone());
            }
            None => values.faulty.push(name.clone()),
        }
    }
    values
}

/// Sets values that a recipe gives an element.
pub(crate) fn give(
    values: &mut Values,
    params: &BTreeMap<String, Param>,
    given: &Given<'_>,
    owner: &str,
    source: &Arc<Source>,
    found: &mut Vec<Diagnostic>,
) {
    for (name, (key, node)) in given {
        let Some(param) = params.get(*name) else {
            found.push(unknown(name, params, owner, source, *key));
            continue;
        };
        match accept(param, node) {
            Ok(value) => values.set(name, value),
            Err(fault) => {
                found.push(fault.at(source, node.span, &format!("parameter `{name}` of {owner}")));
                values.values.remove(*name);
                values.faulty.push((*name).to_owned());
            }
        }
    }
}

/// Returns the value of a parameter as its declaration wants it, or reports what is wrong with it.
pub(crate) fn typed(
    name: &str,
    param: &Param,
    node: &Node,
    source: &Arc<Source>,
    found: &mut Vec<Diagnostic>,
) -> Option<Json> {
    let value = accept(param, node);
    value.map_err(|fault| found.push(fault.at(source, node.span, &format!("parameter `{name}`")))).ok()
}

/// Returns the names of parameters that have neither a value nor an error.
pub(crate) fn unset<'a>(values: &Values, params: &'a BTreeMap<String, Param>) -> Vec<&'a str> {
    params
        .keys()
        .filter(|name| !values.values.contains_key(*name) && !values.faulty.contains(name))
        .map(String::as_str)
        .collect()
}

impl Values {
    /// Sets the value of a parameter, in place of an earlier one.
    pub(crate) fn set(&mut self, name: &str, value: Json) {
        self.values.insert(name.to_owned(), value);
        self.faulty.retain(|faulty| faulty != name);
    }
}

fn unknown(name: &str, params: &BTreeMap<String, Param>, owner: &str, source: &Arc<Source>, span: Span) -> Diagnostic {
    suggest(Diagnostic::new(source, span, format!("{owner} has no parameter `{name}`")), name, params)
}

/// Adds to the error about an unknown parameter what may have been meant.
pub(super) fn suggest(diagnostic: Diagnostic, name: &str, params: &BTreeMap<String, Param>) -> Diagnostic {
    let diagnostic = diagnostic.did_you_mean(near(name, params.keys()));
    match params.is_empty() {
        true => diagnostic.help("it has no parameters"),
        false => diagnostic.help(format!("its parameters: {}", list(params.keys()))),
    }
}

fn is_identifier(name: &str) -> bool {
    name.starts_with(|c: char| c.is_ascii_alphabetic() || c == '_')
        && name.chars().all(|c| c.is_ascii_alphanumeric() || c == '_')
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;
    use crate::recipe::terms::decode;
    use crate::yaml::parse;

    const DECLARED: &str = "\
release: { type: string, default: bookworm, choices: [bookworm, trixie] }
size: { type: integer, default: 3 }
fast: { type: boolean, default: false }
sources: { type: list, default: [a], choices: [a, b] }
must: { type: string }
";

    fn declared(text: &str) -> (BTreeMap<String, Param>, Values, Vec<String>) {
        let source = Source::new("x.yaml", text);
        let mut node = parse(&source).0.expect("it is YAML");
        let (params, mut found) = decode::<BTreeMap<String, Param>>(&mut node, &source);
        let params = params.expect("they are parameters");
        let values = defaults(&params, Some(&node), &Variables::default(), &source, &mut found);
        (params, values, found.iter().map(|found| found.message().to_owned()).collect())
    }

    #[test]
    fn defaults_are_typed() {
        let (params, values, found) = declared(DECLARED);
        assert_eq!(found, [""; 0]);
        let expected = json!({ "release": "bookworm", "size": 3, "fast": false, "sources": ["a"] });
        assert_eq!(serde_json::to_value(&values.values).expect("it is a map"), expected);
        assert_eq!(unset(&values, &params), ["must"]);
    }

    #[test]
    fn declarations_are_checked() {
        for (text, message) in [
            ("a: { type: integer, default: x }", "default of `a`: expected a whole number, found string `x`"),
            ("a: { type: string, default: 1 }", "default of `a`: expected a string, found integer `1`"),
            ("a: { type: string, default: x, choices: [y] }", "default of `a`: `x` is not one of `y`"),
            ("a: { type: integer, choices: [y] }", "choice of `a`: expected a whole number, found string `y`"),
            ("a: { type: list, default: [x, 1] }", "default of `a`: expected a string, found integer `1`"),
            ("a-b: { type: list }", "`a-b` cannot name a parameter"),
            ("a: { type: number }", "unknown type `number`"),
            ("a: { default: 1 }", "`type` is missing in `a`"),
        ] {
            assert_eq!(declared(text).2, [message], "{text}");
        }
    }

    #[test]
    fn given_values_are_checked() {
        for (text, message) in [
            ("size: 4", None),
            ("size: '4'", Some("parameter `size` of element `e`: expected a whole number, found string `4`")),
            ("sizes: 4", Some("element `e` has no parameter `sizes`")),
            ("must: [a]", Some("parameter `must` of element `e`: expected a string, found a list")),
        ] {
            let source = Source::new("x.yaml", text);
            let node = parse(&source).0.expect("it is YAML");
            let given: Given<'_> =
                node.map().expect("it is a map").entries.iter().map(|(k, v)| (k.text.as_str(), (k.span, v))).collect();
            let (params, mut values, _) = declared(DECLARED);
            let mut found = Vec::new();
            give(&mut values, &params, &given, "element `e`", &source, &mut found);
            assert_eq!(found.first().map(Diagnostic::message), message, "{text}");
        }
    }
}
