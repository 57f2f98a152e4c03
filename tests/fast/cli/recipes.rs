//! Recipes with faults. What is shown of each is in `tests/recipes`; here it is that the program shows just that.

use std::collections::BTreeMap;
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
        params: BTreeMap::new(),
        element_dirs: Vec::new(),
        distro_dirs: Vec::new(),
        host_arch: Arch::X86_64,
        rules: goldsmith::verify::rules().map(|rule| rule.id).collect(),
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
fn secrets_without_a_value_stop_a_build_before_it_begins() {
    let sandbox = Sandbox::new();
    for (name, source) in [("env", "env: GOLDSMITH_TEST_SECRET"), ("file", "file: secrets/token")] {
        let steps = "steps: { configure: [{ run: { inline: 'true', secrets: [token] } }] }\n";
        sandbox.write(&format!("{name}.yaml"), format!("name: x\n{BASE}secrets: {{ token: {{ {source} }} }}\n{steps}"));
    }
    assert_session!(sandbox, sandbox.session(&["build env.yaml", "build file.yaml", "build --json env.yaml"]));
    assert!(!sandbox.path("out").exists(), "nothing was begun");
}
