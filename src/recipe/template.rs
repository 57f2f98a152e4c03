//! Templates in values, rendered one scalar at a time after parsing, so that an error keeps its place.
//!
//! A scalar that is wholly one expression, `"{{ speed }}"`, becomes the expression's value with its type;
//! any other becomes text. An entry of a list that is a map may carry `when: <expression>`: the entry is
//! dropped if it is false. Keys are never rendered. `{## ... ##}` is a comment, because `{#` is
//! shell: `${#name}`.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use minijinja::syntax::SyntaxConfig;
use minijinja::value::ValueKind;
use minijinja::{Environment, ErrorKind, UndefinedBehavior};

use super::diagnostic::{Diagnostic, Source, Span, list, near};
use super::node::{Key, MAX_BYTES, Map, Node, Style, Value};

/// Instructions that one template may take: enough for any honest one, over in milliseconds.
const FUEL: u64 = 100_000;

/// What templates see.
#[derive(Debug, Clone, Default)]
pub(crate) struct Variables {
    /// Names and values.
    pub(crate) values: BTreeMap<String, serde_json::Value>,
    /// Names whose values are at fault: what needs them is dropped without a further error.
    pub(crate) faulty: BTreeSet<String>,
    /// Names that exist elsewhere, though not here.
    pub(crate) withheld: &'static [&'static str],
}

/// Renders a tree. Entries whose template is at fault are taken out; the errors are added to `found`.
/// `None` if the tree itself is at fault.
pub(crate) fn render(
    node: &Node,
    variables: &Variables,
    source: &Arc<Source>,
    found: &mut Vec<Diagnostic>,
) -> Option<Node> {
    let mut environment = environment();
    environment.set_fuel(Some(FUEL));
    let context = minijinja::Value::from(minijinja::value::Serde(&variables.values));
    Rendering { environment, context, variables, source, found }.node(node)
}

struct Rendering<'a> {
    environment: Environment<'static>,
    context: minijinja::Value,
    variables: &'a Variables,
    source: &'a Arc<Source>,
    found: &'a mut Vec<Diagnostic>,
}

fn environment<'source>() -> Environment<'source> {
    let mut environment = Environment::new();
    environment.set_undefined_behavior(UndefinedBehavior::Strict);
    let syntax = SyntaxConfig::builder().comment_delimiters("{##", "##}").keep_trailing_newline(true).build();
    if let Ok(syntax) = syntax {
        environment.set_syntax(syntax);
    }
    // As YAML and shells write it, not as Python does.
    environment.set_formatter(|output, state, value| match value.kind() {
        ValueKind::Bool => output.write_str(if value.is_true() { "true" } else { "false" }).map_err(Into::into),
        _ => minijinja::escape_formatter(output, state, value),
    });
    environment
}

impl Rendering<'_> {
    fn node(&mut self, node: &Node) -> Option<Node> {
        let value = match &node.value {
            Value::Str(text) => return self.scalar(text, node),
            Value::List(list) => Value::List(list.iter().filter_map(|item| self.item(item)).collect()),
            Value::Map(map) => Value::Map(self.map(map)),
            other => other.clone(),
        };
        Some(Node { value, ..node.clone() })
    }

    fn map(&mut self, map: &Map) -> Map {
        let mut rendered = Map { entries: Vec::with_capacity(map.entries.len()), faulty: map.faulty.clone() };
        for (key, value) in &map.entries {
            match self.node(value) {
                Some(value) => rendered.entries.push((key.clone(), value)),
                None => rendered.faulty.push(key.text.clone()),
            }
        }
        rendered
    }

    /// An entry of a list; `None` if it is dropped.
    fn item(&mut self, item: &Node) -> Option<Node> {
        let Some(condition) = item.get("when") else { return self.node(item) };
        if !self.condition(condition)? {
            return None;
        }
        self.node(&item.filtered(|key| key != "when"))
    }

    /// Whether a condition holds; `None` if it is at fault.
    fn condition(&mut self, node: &Node) -> Option<bool> {
        let value = match &node.value {
            Value::Bool(value) => return Some(*value),
            Value::Str(text) => {
                let text = text.trim();
                self.expression(sole_expression(text).unwrap_or(text), node)?
            }
            _ => {
                let message = format!("`when` needs an expression, found {}", node.describe());
                self.found.push(Diagnostic::new(self.source, node.span, message));
                return None;
            }
        };
        match serde_json::to_value(&value) {
            Ok(serde_json::Value::Bool(value)) => Some(value),
            _ => {
                let message = format!("`when` must be true or false, and is `{value}`");
                let diagnostic = Diagnostic::new(self.source, node.span, message);
                self.found.push(diagnostic.help("compare it: `when: \"family == 'debian'\"`"));
                None
            }
        }
    }

    fn scalar(&mut self, text: &str, node: &Node) -> Option<Node> {
        if !["{{", "{%", "{##"].iter().any(|start| text.contains(start)) {
            return Some(node.clone());
        }
        if let Some(expression) = sole_expression(text) {
            let value = self.expression(expression, node)?;
            return match serde_json::to_value(&value) {
                Ok(value) => Some(from_json(value, node.span)),
                Err(error) => {
                    let message = format!("the value of this template cannot be used: {error}");
                    self.found.push(Diagnostic::new(self.source, node.span, message));
                    None
                }
            };
        }
        match self.environment.render_str(text, self.context.clone()) {
            Ok(text) if text.len() > MAX_BYTES => {
                let message = format!("this template yields more than {MAX_BYTES} bytes");
                self.found.push(Diagnostic::new(self.source, node.span, message));
                None
            }
            Ok(text) => Some(Node { value: Value::Str(text), span: node.span, style: Style::Quoted }),
            Err(error) => {
                let local = environment();
                let names = local.template_from_str(text).map(|template| template.undeclared_variables(false));
                self.fault(&error, names.unwrap_or_default(), text, node);
                None
            }
        }
    }

    fn expression(&mut self, text: &str, node: &Node) -> Option<minijinja::Value> {
        let local = environment();
        let compiled = match local.compile_expression(text) {
            Ok(compiled) => compiled,
            Err(error) => {
                self.fault(&error, std::collections::HashSet::new(), text, node);
                return None;
            }
        };
        // The environment of an expression decides its fuel; the local one has none.
        let result = self
            .environment
            .compile_expression_owned(text.to_owned())
            .and_then(|expression| expression.eval(self.context.clone()));
        let error = match result {
            Ok(value) if !value.is_undefined() => return Some(value),
            Ok(_) => minijinja::Error::from(ErrorKind::UndefinedError),
            Err(error) => error,
        };
        self.fault(&error, compiled.undeclared_variables(false), text, node);
        None
    }

    /// Reports what a template failed with. `names` are the variables it uses.
    fn fault(&mut self, error: &minijinja::Error, names: std::collections::HashSet<String>, text: &str, node: &Node) {
        let builtin: BTreeSet<&str> = self.environment.globals().map(|(name, _)| name).collect();
        let mut unknown: Vec<String> = names
            .into_iter()
            .filter(|name| !self.variables.values.contains_key(name) && !builtin.contains(name.as_str()))
            .collect();
        unknown.sort();
        if unknown.iter().any(|name| self.variables.faulty.contains(name)) {
            return;
        }
        let span = self.place(error, text, node);
        if error.kind() != ErrorKind::UndefinedError || unknown.is_empty() {
            let detail = error.detail().map_or(String::new(), |detail| format!(": {detail}"));
            let message = match error.kind() {
                ErrorKind::UndefinedError if error.detail().is_none() => format!("`{text}` has no value"),
                ErrorKind::OutOfFuel => "this template takes too long: it loops too often".to_owned(),
                kind => format!("template: {kind}{detail}"),
            };
            self.found.push(Diagnostic::new(self.source, span, message));
            return;
        }
        for name in unknown {
            let span = self.find(&name, span).or_else(|| self.find(&name, node.span)).unwrap_or(span);
            let diagnostic = Diagnostic::new(self.source, span, format!("unknown name `{name}` in a template"));
            self.found.push(if self.variables.withheld.contains(&name.as_str()) {
                diagnostic.help("only parameters can be used here: what this is part of decides the rest")
            } else {
                let known = self.variables.values.keys();
                let diagnostic = diagnostic.did_you_mean(near(&name, known.clone()));
                match self.variables.values.is_empty() {
                    true => diagnostic.help("no names can be used here"),
                    false => diagnostic.help(format!("known here: {}", list(known))),
                }
            });
        }
    }

    /// Where in the file an error lies: as near as quoting and indentation allow.
    fn place(&self, error: &minijinja::Error, text: &str, node: &Node) -> Span {
        let written = self.source.text().get(node.span.start..node.span.end).unwrap_or_default();
        if let (Some(start), Some(range)) = (written.find(text), error.range())
            && range.end <= text.len()
            && range.start < range.end
        {
            let start = node.span.start + start;
            return Span { start: start + range.start, end: start + range.end };
        }
        // A block is indented, so it is found line by line.
        let line = error.line().and_then(|line| text.lines().nth(line - 1)).map_or("", str::trim);
        match written.find(line) {
            Some(start) if !line.is_empty() => {
                Span { start: node.span.start + start, end: node.span.start + start + line.len() }
            }
            _ => node.span,
        }
    }

    /// The first place of a name as a whole word.
    fn find(&self, name: &str, within: Span) -> Option<Span> {
        let text = self.source.text().get(within.start..within.end)?;
        let word = |c: char| c.is_alphanumeric() || c == '_';
        text.match_indices(name)
            .find(|(start, _)| !text[..*start].ends_with(word) && !text[start + name.len()..].starts_with(word))
            .map(|(start, _)| Span { start: within.start + start, end: within.start + start + name.len() })
    }
}

/// The expression of a text that is `{{ expression }}` and nothing else.
fn sole_expression(text: &str) -> Option<&str> {
    let inner = text.strip_prefix("{{")?.strip_suffix("}}")?;
    let single = !["{{", "}}", "{%"].iter().any(|mark| inner.contains(mark));
    single.then(|| inner.trim_matches('-').trim())
}

/// A value as a tree, all of it at one place.
pub(crate) fn from_json(value: serde_json::Value, span: Span) -> Node {
    use serde_json::Value as Json;
    let value = match value {
        Json::Null => Value::Null,
        Json::Bool(value) => Value::Bool(value),
        Json::Number(number) => match number.as_i64() {
            Some(value) => Value::Int(value),
            None => Value::Float(number.as_f64().unwrap_or(f64::NAN)),
        },
        Json::String(text) => Value::Str(text),
        Json::Array(list) => Value::List(list.into_iter().map(|item| from_json(item, span)).collect()),
        Json::Object(object) => {
            let entries = object.into_iter().map(|(text, value)| (Key { text, span }, from_json(value, span)));
            Value::Map(Map { entries: entries.collect(), faulty: Vec::new() })
        }
    };
    Node { value, span, style: Style::Template }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::super::node::parse;
    use super::*;

    fn rendered(text: &str) -> (Option<Node>, Vec<String>) {
        let source = Source::new("x.yaml", text);
        let root = parse(&source).0.expect("it is YAML");
        let values = json!({ "name": "demo", "speed": 9600, "fast": true, "family": "debian", "list": ["a", "b"] });
        let variables = Variables {
            values: serde_json::from_value(values).expect("it is a map"),
            faulty: BTreeSet::from(["broken".to_owned()]),
            withheld: &["version"],
        };
        let mut found = Vec::new();
        let node = render(&root, &variables, &source, &mut found);
        let shown = found.iter().map(|error| {
            let position = error.position().expect("it has a place");
            format!("{}:{} {}", position.line, position.column, error.message())
        });
        (node, shown.collect())
    }

    #[test]
    fn a_sole_expression_keeps_its_type() {
        let list = |items: &[&str]| {
            Value::List(items.iter().map(|item| from_json(json!(item), Span { start: 3, end: 99 })).collect())
        };
        for (text, value) in [
            ("a: '{{ speed }}'", Value::Int(9600)),
            ("a: '{{ fast }}'", Value::Bool(true)),
            ("a: '{{ speed + 1 }}'", Value::Int(9601)),
            ("a: '{{ name }} '", Value::Str("demo ".to_owned())),
            ("a: '{{ name }}{{ speed }}'", Value::Str("demo9600".to_owned())),
            ("a: 'fast={{ fast }} {{ not fast }}'", Value::Str("fast=true false".to_owned())),
            ("a: '${#name} {#'", Value::Str("${#name} {#".to_owned())),
            ("a: |\n  {{ name }}\n", Value::Str("demo\n".to_owned())),
            (
                "a: |\n  x:\n  {%- for x in list %}\n  - {{ x }}\n  {%- endfor %}\n",
                Value::Str("x:\n- a\n- b\n".to_owned()),
            ),
        ] {
            let (node, errors) = rendered(text);
            assert_eq!(errors, [""; 0], "{text}");
            assert_eq!(node.and_then(|node| node.get("a").map(|a| a.value.clone())), Some(value), "{text}");
        }
        let node = rendered("a: '{{ list }}'").0.expect("it renders");
        let (Value::List(found), Value::List(expected)) = (&node.get("a").expect("a").value, list(&["a", "b"])) else {
            panic!("it is no list: {node:?}");
        };
        assert_eq!(
            found.iter().map(|item| &item.value).collect::<Vec<_>>(),
            expected.iter().map(|item| &item.value).collect::<Vec<_>>()
        );
    }

    #[test]
    fn errors_lie_where_the_template_is() {
        for (text, errors) in [
            ("a: '{{ nam }}'", &["1:8 unknown name `nam` in a template"][..]),
            ("a: x\nb: 'is {{ spede }} and {{ nmae }}'", &["2:27 unknown name `nmae`", "2:11 unknown name `spede`"]),
            ("a: |\n  one\n  two {{ nope }}\n", &["3:10 unknown name `nope` in a template"]),
            ("a: '{{ name'", &["1:8 template: syntax error"]),
            ("a: '{{ name | shout }}'", &["1:15 template: unknown filter"]),
            ("a: '{{ name.first }}'", &["1:4 `name.first` has no value"]),
            (
                "a: '{% for i in range(9999) %}{% for j in range(9999) %}x{% endfor %}{% endfor %}'",
                &["1:5 this template"],
            ),
            ("a: '{{ version }}'", &["1:8 unknown name `version`"]),
            ("a: ['{{ x }}', '{{ y }}']", &["1:9 unknown name `x`", "1:20 unknown name `y`"]),
            ("a: '{{ broken }} {{ name }}'", &[]),
            ("a: [{ b: c, when: speed }]", &["1:19 `when` must be true or false"]),
            ("a: [{ b: c, when: [x] }]", &["1:19 `when` needs an expression, found a list"]),
            ("a: [{ b: c, when: family = 2 }]", &["1:26 template: syntax error"]),
        ] {
            let found = rendered(text).1;
            let fits = found.len() >= errors.len() && errors.iter().zip(&found).all(|(e, f)| f.starts_with(e));
            assert!(fits && found.is_empty() == errors.is_empty(), "{text}: {found:?}");
        }
    }

    #[test]
    fn conditions_choose_entries() {
        let (node, errors) = rendered(
            "a:\n  - { b: 1, when: family == 'debian' }\n  - { b: 2, when: \"family in ['suse']\" }\n  \
             - { b: 3, when: '{{ fast }}' }\n  - { b: 4, when: false }\n  - 5\n",
        );
        assert_eq!(errors, [""; 0]);
        let node = node.expect("it renders");
        let kept: Vec<_> =
            node.get("a").expect("a").list().iter().map(|item| item.get("b").map(|b| &b.value)).collect();
        assert_eq!(kept, [Some(&Value::Int(1)), Some(&Value::Int(3)), None]);
        assert!(node.get("a").expect("a").list().iter().all(|item| item.get("when").is_none()));
    }

    #[test]
    fn what_is_at_fault_is_taken_out_and_remembered() {
        let node = rendered("a: '{{ nope }}'\nb: 1\n").0.expect("it renders");
        let map = node.map().expect("it is a map");
        assert_eq!((map.entries.len(), map.faulty.as_slice()), (1, &["a".to_owned()][..]));
    }
}
