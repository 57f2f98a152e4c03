use std::collections::BTreeSet;
use std::sync::Arc;

use serde_json::json;

use super::*;
use crate::yaml::{Node, Source, Span, Value, parse};

pub(super) fn rendered(text: &str) -> (Option<Node>, Vec<String>) {
    let source = Source::new("x.yaml", text);
    let root = parse(&source).0.expect("it is YAML");
    let values = json!({ "name": "demo", "speed": 9600, "fast": true, "family": "debian", "list": ["a", "b"] });
    let variables = Variables {
        values: serde_json::from_value(values).expect("it is a map"),
        faulty: BTreeSet::from(["broken".to_owned()]),
        withheld: &["version"],
        budget: Arc::default(),
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
        ("a: |\n  x:\n  {%- for x in list %}\n  - {{ x }}\n  {%- endfor %}\n", Value::Str("x:\n- a\n- b\n".to_owned())),
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
        ("a: '{% for i in range(9999) %}{% for j in range(9999) %}x{% endfor %}{% endfor %}'", &["1:5 this template"]),
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
    let kept: Vec<_> = node.get("a").expect("a").list().iter().map(|item| item.get("b").map(|b| &b.value)).collect();
    assert_eq!(kept, [Some(&Value::Int(1)), Some(&Value::Int(3)), None]);
    assert!(node.get("a").expect("a").list().iter().all(|item| item.get("when").is_none()));
}

#[test]
fn what_is_at_fault_is_taken_out_and_remembered() {
    let node = rendered("a: '{{ nope }}'\nb: 1\n").0.expect("it renders");
    let map = node.map().expect("it is a map");
    assert_eq!((map.entries.len(), map.faulty.as_slice()), (1, &["a".to_owned()][..]));
}
