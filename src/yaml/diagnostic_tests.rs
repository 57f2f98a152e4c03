use super::*;

#[test]
fn positions_count_lines_and_characters_from_one() {
    let source = Source::new("x.yaml", "a: ö\nbc: d\n");
    for (byte, line, column) in [(0, 1, 1), (3, 1, 4), (5, 1, 5), (6, 2, 1), (10, 2, 5), (99, 3, 1)] {
        assert_eq!(source.position(byte), Position { line, column }, "{byte}");
    }
}

#[test]
fn an_error_shows_its_line_and_what_to_do() {
    let source = Source::new("x.yaml", "one: 1\ntwo: 2\nthree:\n  - 3\n");
    let diagnostic = Diagnostic::new(&source, Span { start: 7, end: 99 }, "unknown key `two`")
        .label("here")
        .also(Span { start: 0, end: 3 }, "first")
        .did_you_mean(Some("too"));
    insta::assert_snapshot!(diagnostic.render(false), @r"
    error: unknown key `two`
     --> x.yaml:2:1
      |
    1 | one: 1
      | --- first
    2 | two: 2
      | ^^^^^^ here
      |
      = help: did you mean `too`?
    ");
    assert!(diagnostic.render(true).contains("\u{1b}["));
}

#[test]
fn what_a_terminal_would_obey_is_not_passed_on() {
    let source = Source::new("x.yaml", "");
    assert_eq!(Diagnostic::of_file(&source, "bad \u{1b}[2Jkey").message(), "bad key");
}

#[test]
fn errors_are_sorted_and_said_once() {
    let (a, b) = (Source::new("a", "xxxx"), Source::new("b", "xxxx"));
    let at = |source, start| Diagnostic::new(source, Span { start, end: start + 1 }, "bad");
    let all = Diagnostics::collect(vec![at(&a, 2), at(&b, 0), at(&a, 1), at(&a, 2)]).expect("there are errors");
    let places: Vec<_> = all.records().into_iter().map(|record| (record.file, record.column)).collect();
    let place = |file: &str, column| (file.to_owned(), Some(column));
    assert_eq!(places, [place("a", 2), place("a", 3), place("b", 1)]);
    assert_eq!(Diagnostics::collect(Vec::new()), None);
}

#[test]
fn near_names_are_near() {
    for (name, near_name) in [("pth", Some("path")), ("contnet", Some("content")), ("zzz", None), ("", None)] {
        assert_eq!(near(name, ["path", "content", "mode"]).as_deref(), near_name, "{name}");
    }
}

#[test]
fn the_first_hundred_errors_are_shown_and_the_others_counted() {
    let source = Source::new("x.yaml", "a: b\n".repeat(300));
    let error = |number: usize| Diagnostic::new(&source, Span { start: number * 5, end: number * 5 + 1 }, "wrong");
    let all = Diagnostics::collect((0..300).chain(0..300).map(error).collect()).expect("errors");
    assert_eq!((all.len(), all.iter().count(), all.records().len()), (300, 100, 101));
    assert!(all.render(false).ends_with("\n\n200 more errors are not shown: mend these first"));
    assert!(all.render(false).contains("x.yaml:100:1") && !all.render(false).contains("x.yaml:101:1"));
    let long = Diagnostic::new(&source, Span::default(), "x".repeat(10_000));
    assert!(long.message().len() < 1100 && long.message().ends_with("..."));
}

#[test]
fn a_long_line_is_not_shown_and_its_place_is() {
    let source = Source::new("x.yaml", format!("a: b\nc: \"{}\"\n", "x".repeat(100_000)));
    let shown = Diagnostic::new(&source, Span { start: 8, end: 9 }, "wrong").render(false);
    assert!(shown.contains("x.yaml:2:4") && shown.len() < 200, "{shown}");
    let source = Source::new("x.yaml", "a: \u{202e}\u{200b}b\n");
    let shown = Diagnostic::new(&source, Span { start: 0, end: 1 }, "wrong").render(false);
    assert!(!shown.contains(['\u{202e}', '\u{200b}']) && shown.contains('\u{fffd}'), "{shown}");
}

#[test]
fn errors_of_joined_files_point_into_the_right_file() {
    let both = Source::joined(&[Source::new("one.yaml", "a: 1\nb: 2\n"), Source::new("two.yaml", "c: 3\nd: 4\n")]);
    let (b, d) = (Span { start: 5, end: 6 }, Span { start: 16, end: 17 });
    assert_eq!([b, d].map(|span| both.number(span.start)), [0, 1]);
    for (span, other, file, shown) in [
        (d, b, "two.yaml", ["--> two.yaml:2:1", "2 | d: 4", "::: one.yaml:2:1", "2 | b: 2"]),
        (b, d, "one.yaml", ["--> one.yaml:2:1", "2 | b: 2", "::: two.yaml:2:1", "2 | d: 4"]),
    ] {
        let diagnostic = Diagnostic::new(&both, span, "wrong").also(other, "the other");
        assert_eq!((diagnostic.file(), diagnostic.position()), (file, Some(Position { line: 2, column: 1 })));
        let text = diagnostic.render(false);
        let mut rest = text.as_str();
        for words in shown {
            let found = rest.find(words).unwrap_or_else(|| panic!("{words}: {text}"));
            rest = &rest[found..];
        }
        assert!(rest.contains("the other"), "{text}");
    }
    assert_eq!(Diagnostic::of_file(&both, "wrong").file(), "one.yaml");
}
