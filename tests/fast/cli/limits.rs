//! Recipes that are made to exhaust this machine: the program runs with little memory, and ends soon with an error.

use std::process::Stdio;
use std::time::{Duration, Instant};

use super::sandbox::{BASE, Sandbox};

/// Address space of the program, in KiB.
const MEMORY: u64 = 900 << 10;

/// How long it may take: without the limits it would be minutes.
const DEADLINE: Duration = Duration::from_secs(10);

/// Validates a recipe in little memory. Returns the exit code and what is said.
fn validate(recipe: &str) -> (Option<i32>, String) {
    let sandbox = Sandbox::new();
    sandbox.write("x.yaml", recipe);
    let mut command = sandbox.command("timeout");
    command.args(["-s", "KILL", &(6 * DEADLINE.as_secs()).to_string(), "sh", "-c"]);
    command.arg(format!("ulimit -v {MEMORY} && exec \"$0\" validate x.yaml"));
    let started = Instant::now();
    let ran = command.arg(env!("CARGO_BIN_EXE_goldsmith")).stdin(Stdio::null()).output().expect("a shell");
    let said = String::from_utf8_lossy(&ran.stderr).into_owned();
    assert!(started.elapsed() < DEADLINE, "{:?}: {}", started.elapsed(), shortened(&said));
    (ran.status.code(), said)
}

fn shortened(text: &str) -> String {
    text.chars().take(2000).collect()
}

#[test]
fn templates_that_exhaust_a_machine_are_errors_with_their_place() {
    let doubled = "{% set x = x ~ x %}".repeat(60);
    for (value, place, words) in [
        (
            "\"{{ '%0999999999d' | format(1) }}\"".to_owned(),
            "x.yaml:1:",
            "a width, precision or number of more than 1000",
        ),
        (
            format!("\"{{{{ 'aaaaaaaaaaaaaaaa'{} }}}}\"", " | replace('', 'bbbbbbbbbbbbbbbb')".repeat(20)),
            "x.yaml:1:",
            "makes more than 1048576 bytes",
        ),
        (format!("\"{{% set x = 'xx' %}}{doubled}{{{{ x }}}}\""), "x.yaml:1:", "makes more than 1048576 bytes"),
        ("\"{{ 'x' * 100000000 }}\"".to_owned(), "x.yaml:1:", "makes more than 1048576 bytes"),
        (
            format!("\"{{{{ {} }}}}\"", "['x' * 100000000, 'x' * 100000000] + ".repeat(10) + "[]"),
            "x.yaml:1:",
            "makes more",
        ),
        (format!("\"{{{{ {}1{} }}}}\"", "(".repeat(100_000), ")".repeat(100_000)), "x.yaml:1:", "400 words and signs"),
    ] {
        let (code, said) = validate(&format!("name: {value}\n{BASE}"));
        assert_eq!(code, Some(10), "{}", shortened(&said));
        assert!(said.contains(place) && said.contains(words), "{words}: {}", shortened(&said));
    }
}

#[test]
fn the_work_of_all_templates_of_a_recipe_has_a_limit() {
    let actions = "    - write: { path: /x, content: \"{{ 'x' * 1000000 }}\" }\n".repeat(5_000);
    let (code, said) = validate(&format!("name: x\n{BASE}steps:\n  configure:\n{actions}"));
    assert_eq!(code, Some(10), "{}", shortened(&said));
    assert!(said.contains("x.yaml:") && said.contains("too much work for one recipe"), "{}", shortened(&said));
}

#[test]
fn aliases_that_stand_for_much_are_errors_with_their_place() {
    let mut laughs = "a: &a [x, x, x, x, x, x, x, x, x, x]\n".to_owned();
    for (name, before) in "bcdefghi".chars().zip("abcdefgh".chars()) {
        laughs.push_str(&format!("{name}: &{name} [{}]\n", vec![format!("*{before}"); 10].join(", ")));
    }
    let long = format!("a: &a \"{}\"\nb: [{}]\n", "x".repeat(500_000), vec!["*a"; 50_000].join(", "));
    for (recipe, words) in [
        (laughs, "the file stands for more than 100000 values"),
        (long, "stand for more than 4194304 bytes"),
        ("[".repeat(500_000), "recursion limit exceeded"),
    ] {
        let (code, said) = validate(&format!("{recipe}name: x\n{BASE}"));
        assert_eq!(code, Some(10), "{}", shortened(&said));
        assert!(said.contains("x.yaml:") && said.contains(words), "{words}: {}", shortened(&said));
    }
}

#[test]
fn a_recipe_that_is_wrong_everywhere_shows_the_first_errors() {
    let keys: String = (0..30_000).map(|number| format!("k{number}: x\n")).collect();
    let templates: String =
        (0..10_000).map(|number| format!("    - write: {{ path: /x, content: \"{{{{ n{number} }}}}\" }}\n")).collect();
    for recipe in [format!("name: x\n{BASE}{keys}"), format!("name: x\n{BASE}steps:\n  configure:\n{templates}")] {
        let (code, said) = validate(&recipe);
        assert_eq!(code, Some(10), "{}", shortened(&said));
        assert!(said.len() < 100_000 && said.contains("x.yaml:"), "{}", shortened(&said));
    }
}

#[test]
fn regular_expressions_have_a_limit() {
    let check =
        |pattern: &str| format!("name: x\n{BASE}checks:\n  - file-matches: {{ path: /x, pattern: '{pattern}' }}\n");
    for (pattern, words) in [("((a{100}){100}){100}", "exceeds size limit"), (&*"a".repeat(2000), "at most 1000 bytes")]
    {
        let (code, said) = validate(&check(pattern));
        assert_eq!(code, Some(10), "{}", shortened(&said));
        assert!(said.contains(words) && said.contains("x.yaml:"), "{words}: {}", shortened(&said));
    }
}

#[test]
fn a_secret_that_is_too_short_to_be_hidden_is_refused_before_anything_is_done() {
    let sandbox = Sandbox::new();
    sandbox.image("x", b"no disk");
    let mut recipe = std::fs::read_to_string(sandbox.path("x.yaml")).expect("a recipe");
    recipe.push_str("secrets: { token: { env: GOLDSMITH_TEST_SECRET } }\n");
    sandbox.write("x.yaml", recipe);
    let ran = sandbox.run_with("build x.yaml", &[("GOLDSMITH_TEST_SECRET", "abc")]);
    assert_eq!(ran.code, Some(11), "{ran:?}");
    assert!(ran.stderr.contains("the secret `token` in $GOLDSMITH_TEST_SECRET cannot be used"), "{ran:?}");
    assert!(ran.stderr.contains("at least 4 bytes") && !ran.stderr.contains("abc"), "{ran:?}");
}
