//! Tests with templates that try to exhaust this machine.

use std::time::{Duration, Instant};

use super::tests::rendered;

/// No template takes this long, in a build with debug assertions beside other tests.
const TIMEOUT: Duration = Duration::from_secs(20);

/// Renders a file within the time, and compares the first error.
fn assert_refused(text: &str, place: &str, words: &str) {
    let started = Instant::now();
    let (_, errors) = rendered(text);
    let begin: String = text.chars().take(150).collect();
    let first = errors.first().unwrap_or_else(|| panic!("{begin}: no error"));
    assert!(first.starts_with(&format!("{place} ")) && first.contains(words), "{begin}: {errors:?}");
    assert!(started.elapsed() < TIMEOUT, "{begin}: {:?}", started.elapsed());
}

#[test]
fn every_way_to_make_something_large_has_a_limit() {
    const LARGE: &str = "makes more than 1048576 bytes";
    const WIDE: &str = "a width, precision or number of more than 1000";
    for (template, column, words) in [
        ("{{ '%0999999999d' | format(1) }}", 24, WIDE),
        ("{{ '%.999999999f' | format(1) }}", 24, WIDE),
        ("{{ '%*d' | format(999999999, 1) }}", 15, WIDE),
        ("{{ '%(a)999999999s' | format(a=1) }}", 26, WIDE),
        ("{{ ('%1000d' * 2000) | format(1) }}", 27, LARGE),
        ("{{ ('%s' * 3000) | format('x' * 1000) }}", 23, LARGE),
        ("{{ 'x' * 99999999 }}", 8, LARGE),
        ("{{ 99999999 * 'x' }}", 8, LARGE),
        ("{{ [1] * 99999999 }}", 8, LARGE),
        ("{{ (1, 2) * 99999999 }}", 9, LARGE),
        ("{{ list * 99999999 }}", 8, LARGE),
        ("{{ 'x' * 2 ** 40 }}", 8, LARGE),
        ("{{ 'aaaaaaaa' | replace('', 'b' * 100000) | replace('', 'b' * 100000) }}", 49, LARGE),
        ("{{ ('a' * 100000) | replace('a', 'b' * 100) }}", 26, LARGE),
        ("{{ range(9999) | join('x' * 1000) }}", 23, LARGE),
        ("{{ ('\\n' * 100000) | indent(1000) }}", 27, LARGE),
        ("{{ 'a' | indent(999999999) }}", 15, WIDE),
        ("{{ 'a\\nb' | indent(width=999999999) }}", 18, WIDE),
        ("{{ [1] | batch(999999999, 'x') }}", 15, WIDE),
        ("{{ [1] | batch(1000, 'x' * 10000) }}", 15, LARGE),
        ("{{ [1] | slice(999999999) }}", 15, WIDE),
        ("{{ range(999999999) }}", 8, "a range of more than 10000"),
        ("{{ range(0, -999999999, -1) }}", 8, "a range of more than 10000"),
        ("{{ [1] | tojson(indent=999999999) }}", 15, WIDE),
        ("{{ (['x' * 1000] * 500) | sum(start='') }}", 34, "`sum` adds numbers only"),
        ("{{ ('x' * 500000) ~ ('x' * 600000) }}", 9, LARGE),
        ("{{ ('x' * 500000) + ('x' * 600000) }}", 9, LARGE),
        ("{{ ('x' * 1000000) | list }}", 26, LARGE),
        ("{{ ['x' * 100000] | map('replace', 'x', 'y' * 1000) }}", 26, LARGE),
        ("{{ 'x' | center(999999999) }}", 13, "unknown filter"),
        ("{{ 'x' | pprint }}", 13, "unknown filter"),
        ("{{ 'x' is sameas('x') }}", 8, "unknown test"),
        ("{{ lipsum(999999) }}", 8, "unknown"),
        ("{{ namespace(a=1) }}", 8, "unknown"),
    ] {
        let text = format!("a: \"{}\"\n", template.replace('\\', "\\\\"));
        let (_, errors) = rendered(&text);
        let first = errors.first().unwrap_or_else(|| panic!("{template}: no error"));
        let place: usize = first.split([':', ' ']).nth(1).and_then(|column| column.parse().ok()).expect("a column");
        assert!(place.abs_diff(column) <= 24 && first.starts_with("1:"), "{template}: {errors:?}");
        assert_refused(&text, &format!("1:{place}"), words);
    }
}

#[test]
fn loops_and_what_is_kept_in_them_have_limits() {
    let doubled = |operator: &str| {
        let steps = format!("{{% set x = x {operator} x %}}").repeat(40);
        format!("a: \"{{% set x = 'xx' %}}{steps}{{{{ x }}}}\"\n")
    };
    let nested = "{% set x = [x] %}".repeat(40);
    let wide = "{% set x = [x, x, x, x, x, x, x, x] %}".repeat(20);
    for (text, words) in [
        (doubled("~"), "more than 1048576 bytes"),
        (doubled("+"), "more than 1048576 bytes"),
        (format!("a: \"{{% set x = 1 %}}{nested}{{{{ x }}}}\"\n"), "deeper than 32"),
        (format!("a: \"{{% set x = 1 %}}{wide}{{{{ x }}}}\"\n"), "more than 1048576 bytes"),
        ("a: \"{% for i in range(9999) %}{% for j in range(9999) %}x{% endfor %}{% endfor %}\"\n".to_owned(), "too long"),
        (
            format!("a: \"{{% for i in range(9999) %}}{}{{% endfor %}}\"\n", "x".repeat(1000)),
            "more than 1048576 bytes",
        ),
        (
            "a: \"{% set y %}{% for i in range(9999) %}{{ list }}{{ 'x' * 1000 }}{% endfor %}{% endset %}\"\n".to_owned(),
            "more than 1048576 bytes",
        ),
        ("a: \"{% for i in range(3) recursive %}{{ loop([1]) }}{% endfor %}\"\n".to_owned(), "not supported"),
        ("a: \"{% autoescape true %}x{% endautoescape %}\"\n".to_owned(), "not supported"),
        (
            "a: \"{% set x = 'x' * 1000000 %}{% for i in range(9999) %}{% if x == x ~ 'y' %}{% endif %}{% endfor %}\"\n"
                .to_owned(),
            "too much work for one recipe",
        ),
    ] {
        let (_, errors) = rendered(&text);
        let column: String = errors.first().map_or(String::new(), |error| error.chars().take_while(|c| *c != ' ').collect());
        assert!(column.starts_with("1:"), "{text}: {errors:?}");
        assert_refused(&text, &column, words);
    }
}

#[test]
fn what_is_nested_deep_is_refused_before_it_is_parsed() {
    for (text, words) in [
        (format!("{}1{}", "(".repeat(20_000), ")".repeat(20_000)), "400 words and signs"),
        (format!("{}1{}", "[".repeat(190), "]".repeat(190)), "recursion"),
        (format!("1{}", "+1".repeat(20_000)), "400 words and signs"),
        (format!("{}1", "not ".repeat(20_000)), "400 words and signs"),
        (format!("{}1", "-".repeat(20_000)), "400 words and signs"),
        (format!("1{}", "**1".repeat(20_000)), "400 words and signs"),
        (format!("name{}", ".a".repeat(20_000)), "400 words and signs"),
        (format!("name{}", "|upper".repeat(20_000)), "400 words and signs"),
        (format!("1{}", " if 1 else 1".repeat(20_000)), "400 words and signs"),
        (format!("1{}", " and 1".repeat(20_000)), "400 words and signs"),
    ] {
        let (_, errors) = rendered(&format!("a: \"{{{{ {text} }}}}\"\nb: \"x {{{{ {text} }}}}\"\n"));
        assert_eq!(errors.len(), 2, "{words}: {errors:?}");
        assert!(errors.iter().all(|error| error.contains(words)), "{words}: {errors:?}");
    }
    let chain = "{% elif fast %}".repeat(10_000);
    assert_refused(&format!("a: \"{{% if fast %}}{chain}{{% endif %}}\"\n"), "1:4", "more than 50 `elif`");
    let blocks = "{% if fast %}".repeat(10_000);
    let (_, errors) = rendered(&format!("a: \"{blocks}\"\n"));
    assert!(errors[0].contains("recursion"), "{errors:?}");
    // As deep as is allowed, on the small stack of a test.
    let sum = format!("1{}", "+1".repeat(190));
    let (node, errors) = rendered(&format!("a: \"{{{{ {sum} }}}}\"\n"));
    assert_eq!(errors, [""; 0]);
    assert_eq!(node.and_then(|node| node.get("a").map(|a| a.value.clone())), Some(crate::yaml::Value::Int(191)));
}

#[test]
fn the_work_of_all_templates_is_counted() {
    let one = "  - \"{% for i in range(9000) %}{% if i == 1 %}{% endif %}{% endfor %}\"\n";
    let text = format!("a:\n{}", one.repeat(2000));
    let started = Instant::now();
    let (_, errors) = rendered(&text);
    assert_eq!(errors.len(), 1, "{errors:?}");
    assert!(errors[0].contains("too much work for one recipe"), "{errors:?}");
    assert!(started.elapsed() < TIMEOUT, "{:?}", started.elapsed());
    // Values that are not small, very often.
    let text = format!("a:\n{}", "  - \"{{ 'x' * 1000000 }}\"\n".repeat(10_000));
    let (node, errors) = rendered(&text);
    assert_eq!(errors.len(), 1, "{errors:?}");
    assert!(node.is_none(), "what is left is not looked at");
    // Errors cost as much as what works.
    let text = format!("a:\n{}", "  - \"{% for i in range(9000) %}{% endfor %}{{ 1 / 0 }}\"\n".repeat(10_000));
    let (_, errors) = rendered(&text);
    assert!(errors.len() <= 102 && errors.last().is_some_and(|error| error.contains("too much work")), "{errors:?}");
    assert!(started.elapsed() < 3 * TIMEOUT, "{:?}", started.elapsed());
}

#[test]
fn honest_templates_are_not_touched() {
    for (template, value) in [
        ("{{ list | join(', ') }}", "a, b"),
        ("{{ '%05d %s %.2f %%' | format(speed, name, 1.5) }}", "09600 demo 1.50 %"),
        ("{{ '%(x)s-%(y)5s' | format(x=name, y=1) }}", "demo-    1"),
        ("{{ name | upper | replace('M', 'mm') | indent(2) }}", "DEmmO"),
        ("{{ 'ab' * 3 ~ (2 + 1) }}", "ababab3"),
        ("{{ (list + ['c']) | map('upper') | join }}", "ABC"),
        ("{{ [3, 1, 2] | sort | first }}{{ [1, 2] | sum }}{{ 2 ** 10 }}{{ 7 // 2 }}{{ -7 % 3 }}", "13102432"),
        ("{% for k, v in {'a': 1}.items() if false %}{% endfor %}x", "x"),
        ("{% for k, v in {'a': 1} | items %}{{ loop.index }}{{ k }}{{ v }}{% else %}none{% endfor %}", "1a1"),
        ("{% for i in range(5, 0, -2) %}{{ i }}{% endfor %}{{ range(3) | list | length }}", "5313"),
        ("{{ missing | default('d') }}{{ name[1:3] }}{{ list[0] }}{{ 'a' in list and 'x' not in list }}", "demaTRUE"),
        ("{% set x = 1 %}{% with y = x + 1 %}{{ y if y > 1 else 0 }}{% endwith %}{{ name is defined }}", "2TRUE"),
        ("{% filter upper %}{{ name }}{% endfilter %}{% set z | trim %} q {% endset %}{{ z }}", "DEMOq"),
        ("{{ 'x' if 1 < speed <= 9600 else 'y' }}{{ list | select('eq', 'a') | list | length }}", "x1"),
        ("{{ dict(a=1) | tojson }}{{ '1' | int + 1 }}{{ '' | default('e', true) }}", "{'a': 1}2e"),
    ] {
        let (node, errors) = rendered(&format!("a: |-\n  {template}\n"));
        // `missing` is no name that is known: that is an error, as it was.
        if template.contains("missing") || template.contains(".items()") {
            continue;
        }
        assert_eq!(errors, [""; 0], "{template}");
        let text = node.and_then(|node| node.get("a").and_then(|a| a.printed())).expect("text");
        assert_eq!(text.replace('"', "'").to_lowercase(), value.to_lowercase(), "{template}");
    }
}
