//! Recipes that are right, and one for every fault a recipe can have. What is shown of them is kept
//! beside them.

use std::collections::BTreeMap;
use std::fmt::Write as _;
use std::path::{Path, PathBuf};

use goldsmith::action::Action;
use goldsmith::image::Format;
use goldsmith::plan::Distro;
use goldsmith::recipe::params::Outside;
use goldsmith::recipe::{Arch, Firmware, LoadOptions, Loaded, System, load, load_str};

fn options() -> LoadOptions {
    LoadOptions { rules: goldsmith::verify::rules().map(|rule| rule.id).collect(), ..LoadOptions::new(Arch::X86_64) }
}

fn distro(name: &str, release: &str, family: &str) -> Distro {
    let [name, release, family] = [name, release, family].map(str::to_owned);
    Distro { name, version: release.clone(), release, family }
}

/// Recipes of a folder, by a path that is the same on every machine.
fn recipes(folder: &str) -> Vec<PathBuf> {
    let mut recipes: Vec<PathBuf> = std::fs::read_dir(folder)
        .expect("there are fixtures")
        .map(|entry| entry.expect("an entry").path())
        .filter(|path| path.extension().is_some_and(|extension| extension == "yaml"))
        .collect();
    recipes.sort();
    recipes
}

fn snapshot(path: &Path, text: &str) {
    let name = path.file_stem().and_then(|stem| stem.to_str()).expect("a name");
    let mut settings = insta::Settings::clone_current();
    settings.set_snapshot_path(Path::new("../..").join(path.parent().expect("a folder")));
    settings.set_prepend_module_to_snapshot(false);
    settings.set_omit_expression(true);
    settings.bind(|| insta::assert_snapshot!(name, text));
}

fn shown(loaded: &Loaded) -> String {
    let mut text = String::new();
    let recipe = &loaded.recipe;
    writeln!(text, "{} {:?} {}", recipe.name, recipe.arch, recipe.disk.size).expect("a string");
    writeln!(text, "params: {}", serde_json::to_string(&recipe.params).expect("JSON")).expect("a string");
    writeln!(text, "base: {}", serde_json::to_string(&recipe.base).expect("JSON")).expect("a string");
    writeln!(text, "outputs: {}", serde_json::to_string(&recipe.outputs).expect("JSON")).expect("a string");
    writeln!(text, "secrets: {}", serde_json::to_string(&recipe.secrets).expect("JSON")).expect("a string");
    let Some(composition) = &loaded.composition else {
        writeln!(text, "no composition: the distribution is not known").expect("a string");
        return text;
    };
    writeln!(text, "distro: {}", serde_json::to_string(&composition.distro).expect("JSON")).expect("a string");
    writeln!(text, "packages: {}", serde_json::to_string(&composition.packages).expect("JSON")).expect("a string");
    for step in &composition.steps {
        writeln!(text, "{} (timeout {:?})", step.id, step.timeout).expect("a string");
        for action in &step.actions {
            writeln!(text, "    {}", serde_json::to_string(action).expect("JSON")).expect("a string");
        }
        for (path, asset) in &step.files {
            writeln!(text, "    file {path} {:o}", asset.mode).expect("a string");
        }
    }
    for (element, check) in &composition.checks {
        writeln!(text, "check of {element}: {}", serde_json::to_string(check).expect("JSON")).expect("a string");
    }
    text
}

#[test]
fn valid_recipes_compose() {
    for path in recipes("tests/recipes/valid") {
        let loaded = load(&path, &options(), None).unwrap_or_else(|errors| panic!("{errors}"));
        assert_eq!(loaded.notes, [""; 0], "{}", path.display());
        snapshot(&path, &shown(&loaded));
    }
}

#[test]
fn every_fault_of_a_recipe_is_shown() {
    let schema = schemars::schema_for!(Action).to_value();
    let kinds = schema["oneOf"].as_array().expect("kinds of actions").iter();
    let actions: Vec<_> = kinds
        .flat_map(|kind| kind["properties"].as_object().expect("a map").keys())
        .map(|name| format!("`{name}`"))
        .collect();
    assert!(actions.len() > 10, "{actions:?}");
    for path in recipes("tests/recipes/invalid") {
        let errors = load(&path, &options(), None).expect_err("it has a fault");
        // The lists of formats and actions are not part of the snapshots, so that a new one changes none of them.
        let formats: Vec<_> = Format::all().map(|format| format!("`{format}`")).collect();
        let text = errors.render(false).replace(&formats.join(", "), "(all formats)");
        snapshot(&path, &text.replace(&actions.join(", "), "(all actions)"));
    }
}

#[test]
fn errors_have_a_form_for_programs() {
    let errors = load(Path::new("tests/recipes/invalid/duplicate-key.yaml"), &options(), None).expect_err("a fault");
    let json = serde_json::to_value(errors.records()).expect("JSON");
    assert_eq!(
        json,
        serde_json::json!([{
            "message": "key `disk` is there twice",
            "file": "tests/recipes/invalid/duplicate-key.yaml",
            "line": 4,
            "column": 1,
            "help": [],
        }])
    );
}

#[test]
fn the_distribution_of_an_image_decides_its_packages() {
    for (distro, packages) in [
        (distro("debian", "bookworm", "debian"), &["tool", "tool-debian"][..]),
        (distro("debian", "trixie", "debian"), &["tool", "tool-trixie"]),
        (distro("ubuntu", "noble", "debian"), &["tool", "tool-debian"]),
        (distro("rocky", "9", "redhat"), &["tool", "tool-redhat"]),
        (distro("opensuse", "15.6", "suse"), &["tool"]),
    ] {
        let system = System { distro, firmware: vec![Firmware::Uefi] };
        let loaded = load(Path::new("tests/recipes/valid/image.yaml"), &options(), Some(&system));
        let composition = loaded.unwrap_or_else(|errors| panic!("{errors}")).composition.expect("it is known");
        assert_eq!(composition.packages.keys().collect::<Vec<_>>(), packages, "{system:?}");
        assert_eq!(composition.firmware, [Firmware::Uefi], "the image's own, whatever a bootstrapped disk would have");
    }
}

#[test]
fn parameters_from_outside_take_effect() {
    let path = Path::new("tests/recipes/valid/full.yaml");
    let with = |name: &str, value: &str| LoadOptions {
        params: Outside { options: BTreeMap::from([(name.to_owned(), value.to_owned())]), ..Outside::default() },
        ..options()
    };
    let loaded = load(path, &with("release", "trixie"), None).unwrap_or_else(|errors| panic!("{errors}"));
    assert_eq!(loaded.recipe.name, "full-trixie");
    assert_eq!(loaded.composition.map(|composition| composition.distro.version).as_deref(), Some("13"));
    for (name, value, message) in [
        ("release", "trixe", "`--param release`: `trixe` is not one of `bookworm`, `trixie`"),
        ("relase", "trixie", "`--param relase`: the recipe has no parameter `relase`"),
        ("speed", "fast", "`--param speed`: expected a whole number, found `fast`"),
    ] {
        let errors = load(path, &with(name, value), None).expect_err(name);
        assert_eq!(errors.iter().map(|error| error.message()).collect::<Vec<_>>(), [message]);
    }
}

#[test]
fn elements_named_first_hide_others_and_it_is_said() {
    let text = "name: x\nbase: { bootstrap: { distro: debian, release: bookworm } }\nelements: [tool]\n";
    let from = |dir: &str| {
        let options = LoadOptions { element_dirs: vec![dir.into()], ..options() };
        load_str(Path::new("tests/recipes/valid/x.yaml"), text, &options, None)
    };
    let loaded = from("tests/recipes/shadowing").unwrap_or_else(|errors| panic!("{errors}"));
    assert_eq!(
        loaded.notes,
        ["element `tool` of tests/recipes/shadowing is used instead of the one of tests/recipes/valid/elements"]
    );
    let loaded = from("tests/recipes/../recipes/valid/elements").unwrap_or_else(|errors| panic!("{errors}"));
    assert_eq!(loaded.notes, [""; 0]);
    let errors = from("tests/nowhere").expect_err("there is no such folder");
    assert_eq!(errors.render(false), "error: no such directory of elements\n--> tests/nowhere");
}

/// No recipe makes the reader panic, whatever is missing or one too many.
#[test]
fn damaged_recipes_are_errors_at_worst() {
    let path = Path::new("tests/recipes/valid/full.yaml");
    let text = std::fs::read_to_string(path).expect("a fixture");
    let places: Vec<usize> = text.char_indices().map(|(at, _)| at).step_by(23).collect();
    for (at, junk) in places.iter().zip(["", "{", "\"", "\t", "ü", "\0", "- ", "]", "&a *a", "{{", "\n"].iter().cycle())
    {
        let cut = text[*at..].chars().next().map_or(0, char::len_utf8);
        let damaged = format!("{}{junk}{}", &text[..*at], &text[at + cut..]);
        if let Err(errors) = load_str(path, &damaged, &options(), None) {
            assert!(!errors.render(true).is_empty());
        }
    }
}

#[test]
fn what_cannot_be_read_says_why() {
    for (path, words) in [("tests/recipes/none.yaml", "cannot be read"), ("tests/recipes", "no regular file")] {
        let errors = load(Path::new(path), &options(), None).expect_err(path);
        assert!(errors.render(false).contains(words), "{errors}");
    }
}
