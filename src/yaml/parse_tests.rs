use super::*;

fn read(text: &str) -> (Option<Node>, Vec<Diagnostic>) {
    parse(&Source::new("x.yaml", text))
}

fn slice(text: &str, span: Span) -> &str {
    &text[span.start..span.end]
}

#[test]
fn plain_scalars_follow_the_core_schema() {
    let text = |text: &str| Value::Str(text.to_owned());
    for (yaml, value) in [
        ("~", Value::Null),
        ("True", Value::Bool(true)),
        ("no", text("no")),
        ("on", text("on")),
        ("12", Value::Int(12)),
        ("-7", Value::Int(-7)),
        ("0o17", Value::Int(15)),
        ("0x1F", Value::Int(31)),
        ("0644", Value::Int(644)),
        ("1.5", Value::Float(1.5)),
        ("1e3", Value::Float(1000.0)),
        ("-.inf", Value::Float(f64::NEG_INFINITY)),
        ("12.04.1", text("12.04.1")),
        ("1_000", text("1_000")),
        ("e3", text("e3")),
        ("'12'", text("12")),
        ("\"true\"", text("true")),
        ("3GiB", text("3GiB")),
    ] {
        assert_eq!(read(yaml).0.map(|node| node.value), Some(value), "{yaml}");
    }
}

#[test]
fn keys_and_values_know_their_place() {
    let text = "ä: x\nsteps:\n  - write: { path: /a, mode: '0644' }\n  - run:\n      inline: |\n        true\n";
    let root = read(text).0.expect("it is YAML");
    let steps = root.get("steps").expect("there are steps");
    assert_eq!(slice(text, root.key("steps").expect("it has a key").span), "steps");
    let write = steps.list()[0].get("write").expect("it writes");
    assert_eq!(slice(text, write.span), "{ path: /a, mode: '0644' }");
    assert_eq!(slice(text, write.get("mode").expect("it has a mode").span), "'0644'");
    assert_eq!(slice(text, write.key("mode").expect("it has a mode").span), "mode");
    let inline = steps.list()[1].get("run").and_then(|run| run.get("inline")).expect("it has a script");
    assert!(slice(text, inline.span).contains("true"), "{:?}", slice(text, inline.span));
    assert_eq!(inline.text(), Some("true\n"));
}

#[test]
fn aliases_are_copies() {
    let root = read("a: &x [1, 2]\nb: *x\n").0.expect("it is YAML");
    assert_eq!(root.get("a"), root.get("b"));
}

#[test]
fn what_is_refused_says_why() {
    let bomb = (0..9).fold("a0: &a0 [x]\n".to_owned(), |text, level| {
        format!("{text}a{}: &a{} [{}]\n", level + 1, level + 1, vec![format!("*a{level}"); 9].join(", "))
    });
    let chain = (0..60)
        .fold("a0: &a0 [x]\n".to_owned(), |text, level| format!("{text}a{}: &a{} [*a{level}]\n", level + 1, level + 1));
    for (yaml, words) in [
        ("", "empty"),
        ("# nothing\n", "empty"),
        ("a: 1\na: 2\n", "twice"),
        ("a: 1\n---\nb: 2\n", "second document"),
        ("a: !!python/object x\n", "tags"),
        ("a:\n\tb: 1\n", "tab"),
        ("a: [1\n", "not YAML"),
        ("? [a]\n: b\n", "key must be a word"),
        ("a: &x [*x]\n", "contains it"),
        ("a: *nope\n", "not YAML"),
        ("a: 99999999999999999999\n", "too large"),
        (&format!("{}{}", "[".repeat(60), "]".repeat(60)), "deeper"),
        (&bomb, "more than 100000 values"),
        (&chain, "deeper"),
        (&"#".repeat(MAX_BYTES + 1), "at most 1048576"),
    ] {
        let errors = read(yaml).1;
        let shown = errors.iter().map(|error| error.render(false)).collect::<Vec<_>>().join("\n");
        assert!(shown.contains(words), "{}: {shown}", &yaml[..yaml.len().min(80)]);
    }
}
