//! Recipes with faults. What is shown of each is in `tests/recipes`; here it is that the program shows just that.

use std::path::{Path, PathBuf};

use goldsmith::recipe::{Arch, LoadOptions, load};

use super::sandbox::{BASE, Sandbox, assert_session};

fn faulty() -> Vec<PathBuf> {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/recipes/invalid");
    let mut recipes: Vec<PathBuf> = std::fs::read_dir(folder)
        .expect("there are fixtures")
        .map(|entry| entry.expect("an entry").path())
        .filter(|path| path.extension().is_some_and(|extension| extension == "yaml"))
        .collect();
    recipes.sort();
    assert!(recipes.len() > 20, "{recipes:?}");
    recipes
}

#[test]
fn every_fault_is_told_on_standard_error_and_in_json() {
    let sandbox = Sandbox::new();
    let options = || LoadOptions {
        rules: goldsmith::verify::rules().map(|rule| rule.id).collect(),
        ..LoadOptions::new(Arch::X86_64)
    };
    for path in faulty() {
        let found = load(&path, &options(), None).expect_err("it has a fault");
        let name = path.display();
        let ran = sandbox.run(&format!("validate {name}"));
        assert_eq!((ran.code, ran.stdout.as_str()), (Some(10), ""), "{name}");
        assert_eq!(ran.stderr, format!("{}\n", found.render(false)), "{name}");
        let ran = sandbox.run(&format!("validate --json {name}"));
        assert_eq!((ran.code, ran.stderr.as_str()), (Some(10), ""), "{name}");
        let failed = ran.last_json();
        assert_eq!(failed["details"], serde_json::json!(found.records()), "{name}");
        assert_eq!((failed["kind"].as_str(), failed["exit_code"].as_i64()), (Some("recipe"), Some(10)), "{name}");
        // Nothing is built, and no network is used, for a recipe that is wrong.
        let ran = sandbox.run(&format!("build --out {} {name}", sandbox.path("out").display()));
        assert_eq!((ran.code, ran.stderr), (Some(10), format!("{}\n", found.render(false))), "{name}");
    }
    assert!(!sandbox.path("out").exists());
}

#[test]
fn colours_are_for_terminals() {
    let sandbox = Sandbox::new();
    sandbox.write("x.yaml", "nam: x\n");
    let ran = sandbox.run_with("validate x.yaml", &[("TERM", "xterm-256color"), ("CLICOLOR_FORCE", "0")]);
    assert!(!ran.stderr.contains('\u{1b}'), "{}", ran.stderr);
}

#[test]
fn files_and_parameters_that_are_not_there() {
    let sandbox = Sandbox::new();
    sandbox.write("good.yaml", format!("name: x\n{BASE}params: {{ size: {{ type: integer, default: 1 }} }}\n"));
    assert_session!(
        sandbox,
        sandbox.session(&[
            "validate none.yaml",
            "validate images",
            "validate --json none.yaml",
            "validate good.yaml",
            "validate --json good.yaml",
            "validate --param size=big good.yaml",
            "validate --param sise=2 good.yaml",
            "validate --elements nowhere good.yaml",
        ])
    );
}

#[test]
fn parameters_come_from_options_files_and_variables() {
    let sandbox = Sandbox::new();
    let size = "params: { size: { type: integer, default: 1, choices: [1, 2, 3, 4] } }\n";
    let disk = "disk: { size: \"{{ size }}GiB\", layout: bios }\n";
    sandbox.write("good.yaml", format!("name: x{{{{ size }}}}\n{BASE}{size}{disk}"));
    sandbox.write("two.yaml", "size: 2\n");
    sandbox.write("three.json", "{\n\t\"size\": 3\n}\n");
    sandbox.write("wrong.yaml", "# a site\nsize: '2'\nsise: 3\n");
    let variable = [("GOLDSMITH_PARAM_size", "4"), ("GOLDSMITH_PARAM_colour", "red")];
    for (words, env, name) in [
        ("validate good.yaml", &[][..], "x1"),
        ("validate good.yaml", &variable, "x4"),
        ("validate good.yaml --params two.yaml", &variable, "x2"),
        ("validate good.yaml --params two.yaml --params three.json", &variable, "x3"),
        ("validate good.yaml --params three.json --params two.yaml", &variable, "x2"),
        ("validate good.yaml --params two.yaml -p size=1", &variable, "x1"),
    ] {
        let ran = sandbox.run_with(&format!("{words} --json"), env);
        let line = serde_json::json!({
            "event": "validated", "recipe": name, "valid": true, "notes": [], "warnings": [],
        });
        assert_eq!(ran.last_json(), line, "{words}");
    }
    // Every command that takes a recipe takes its parameters in all ways.
    for command in ["validate", "plan", "build", "build --dry-run", "publish"] {
        let ran = sandbox.run(&format!("{command} good.yaml --params wrong.yaml"));
        assert_eq!(ran.code, Some(10), "{command}: {ran:?}");
        for words in
            ["wrong.yaml:2:7", "expected a whole number, found string `2`", "wrong.yaml:3:1", "did you mean `size`?"]
        {
            assert!(ran.stderr.contains(words), "{command}: {}", ran.stderr);
        }
        let ran = sandbox.run_with(&format!("{command} good.yaml"), &[("GOLDSMITH_PARAM_size", "5")]);
        assert!(ran.stderr.contains("`$GOLDSMITH_PARAM_size`: `5` is not one of"), "{command}: {}", ran.stderr);
        assert_eq!(ran.code, Some(10), "{command}");
    }
    let ran = sandbox.run_with("validate good.yaml", &[("GOLDSMITH_PARAM_sise", "4")]);
    assert!(ran.stdout.contains("note: $GOLDSMITH_PARAM_sise sets nothing"), "{ran:?}");
    assert_eq!(ran.code, Some(0));
}

#[test]
fn artifacts_that_are_made_take_no_parameters() {
    let sandbox = Sandbox::new();
    for option in ["-p size=2", "--params two.yaml", "--elements images", "--distros images"] {
        let ran = sandbox.run(&format!("publish images {option} --directory tree"));
        assert!(ran.stderr.contains("no option about a recipe changes them"), "{option}: {ran:?}");
        assert_eq!(ran.code, Some(2), "{option}");
    }
}

#[test]
fn a_secret_that_is_given_like_a_parameter_is_not_shown() {
    let sandbox = Sandbox::new();
    let secret = "correct-horse-battery";
    let steps = "steps: { configure: [{ run: { inline: 'true', secrets: [token] } }] }\n";
    let source = "secrets: { token: { env: GOLDSMITH_PARAM_token } }\n";
    sandbox.write(
        "x.yaml",
        format!("name: x\n{BASE}{source}{steps}params: {{ tokens: {{ type: integer, default: 1 }} }}\n"),
    );
    sandbox.write("secrets.yaml", format!("token: {secret}\n"));
    let variable = [("GOLDSMITH_PARAM_token", secret), ("GOLDSMITH_PARAM_tokena", secret)];
    let option = format!("-p token={secret}");
    for (words, code) in [("", 0), ("--params secrets.yaml", 10), (option.as_str(), 10)] {
        for json in ["", "--json"] {
            let ran = sandbox.run_with(&format!("validate x.yaml {words} {json}"), &variable);
            assert_eq!(ran.code, Some(code), "{words}: {ran:?}");
            assert!(!ran.stdout.contains(secret) && !ran.stderr.contains(secret), "{words}: {ran:?}");
            let advice = format!("{}{}", ran.stdout, ran.stderr).contains("`token` is a secret");
            assert_eq!(advice, code != 0, "{words}: {ran:?}");
        }
    }
}

#[test]
fn secrets_without_a_value_stop_a_build_before_it_begins() {
    let sandbox = Sandbox::new();
    for (name, source) in [("env", "env: GOLDSMITH_TEST_SECRET"), ("file", "file: secrets/token")] {
        let steps = "steps: { configure: [{ run: { inline: 'true', secrets: [token] } }] }\n";
        sandbox.write(&format!("{name}.yaml"), format!("name: x\n{BASE}secrets: {{ token: {{ {source} }} }}\n{steps}"));
    }
    assert_session!(sandbox, sandbox.session(&["build env.yaml", "build file.yaml", "build --json env.yaml"]));
    assert!(!sandbox.path("out").exists(), "nothing was begun");
}
