//! Recipes that start from other recipes: what of the base counts, and which layers both share.

use std::path::PathBuf;

use goldsmith::action::Action;
use goldsmith::plan::Plan;
use goldsmith::recipe::{Base, SecretSource};

use super::includes::{Folder, changed};

const BASE: &str = "\
name: below
base: { bootstrap: { distro: debian, release: bookworm } }
disk: { size: 2GiB, layout: bios }
elements: [one]
packages: [curl]
checks: [{ path-exists: /below }]
steps:
  configure: [{ run: { inline: below configure } }]
  clean: [{ run: { inline: below clean } }]
";

const UPON: &str = "\
name: upon
base: { recipe: { source: base/below.yaml } }
elements: [one, two]
packages: [nginx]
checks: [{ path-exists: /upon }]
steps:
  configure: [{ run: { inline: upon configure } }]
  clean: [{ run: { inline: upon clean } }]
";

const ONE: &str = "\
name: one
description: for tests
steps:
  install: [{ run: { inline: one install } }]
  boot: [{ kernel-args: { add: [one] } }]
  finish: [{ run: { inline: one finish } }]
  clean: [{ run: { inline: one clean } }]
checks: [{ path-exists: /one }]
";

const TWO: &str = "\
name: two
description: for tests
requires: [one]
steps:
  configure: [{ run: { inline: two configure } }]
  finish: [{ run: { inline: two finish } }]
";

fn folder() -> Folder {
    Folder::new(&[
        ("base/below.yaml", BASE),
        ("upon.yaml", UPON),
        ("base/elements/one/element.yaml", ONE),
        ("elements/one/element.yaml", ONE),
        ("elements/two/element.yaml", TWO),
    ])
}

fn ids(plan: &Plan) -> Vec<String> {
    plan.steps.iter().map(|step| step.id.to_string()).collect()
}

#[test]
fn the_steps_of_the_base_come_first_and_the_end_of_its_elements_comes_again() {
    let folder = folder();
    let (below, upon) = (folder.plan("base/below.yaml"), folder.plan("upon.yaml"));
    let shared = [
        "base debian bookworm",
        "install one",
        "configure below",
        "boot one",
        "finish one",
        "clean one",
        "clean below",
    ];
    assert_eq!(ids(&below)[..7], shared);
    let own = [
        "install packages",
        "configure two",
        "configure upon",
        "finish two",
        "finish one",
        "clean upon",
        "clean one",
        "finalize upon",
    ];
    assert_eq!(ids(&upon), shared.into_iter().chain(own).collect::<Vec<_>>());
    for (below, upon) in below.steps[..7].iter().zip(&upon.steps) {
        assert_eq!((&below.id, below.key), (&upon.id, upon.key), "a layer of both");
    }
    let installed: Vec<_> = upon.steps[7].actions.iter().collect();
    assert!(matches!(installed[..], [Action::Packages(packages)] if packages.install == ["nginx"]), "{installed:?}");
    assert_eq!(upon.packages.keys().collect::<Vec<_>>(), ["curl"], "what is bootstrapped");
    assert_eq!((upon.disk.size, upon.disk.layout), (below.disk.size, below.disk.layout));
    let checks: Vec<_> = upon.checks.iter().map(|(owner, _)| owner.as_str()).collect();
    assert_eq!(checks, ["one", "below", "upon"]);
}

#[test]
fn the_boot_menu_has_the_arguments_of_all_levels() {
    let folder = folder();
    folder.write("upon.yaml", &UPON.replace("steps:\n", "steps:\n  boot: [{ kernel-args: { add: [upon] } }]\n"));
    let plan = folder.plan("upon.yaml");
    let arguments: Vec<_> = plan.steps.iter().filter_map(|step| step.arguments.as_ref()).collect();
    let present: Vec<_> = arguments.iter().map(|arguments| arguments.present.join(" ")).collect();
    assert_eq!(present, ["one", "one upon"]);
}

#[test]
fn a_change_of_the_base_changes_its_step_and_all_behind_it() {
    let folder = folder();
    let before = folder.plan("upon.yaml");
    for (path, text, first) in [
        ("base/below.yaml", BASE.replace("below clean", "new clean"), Some("clean below")),
        ("base/below.yaml", BASE.replace("[curl]", "[curl, jq]"), Some("base debian bookworm")),
        ("base/below.yaml", format!("{BASE}description: new\noutputs: [{{ format: raw }}]\nverify: {{}}\n"), None),
        ("upon.yaml", UPON.replace("upon configure", "new configure"), Some("configure upon")),
    ] {
        let folder = self::folder();
        folder.write(path, &text);
        let all = ids(&before);
        let from = first.map_or(all.len(), |first| all.iter().position(|id| id == first).expect("a step"));
        assert_eq!(changed(&before, &folder.plan("upon.yaml")), all[from..], "{path}: {text}");
    }
}

#[test]
fn a_recipe_three_deep_begins_with_the_steps_of_both() {
    let folder = folder();
    folder.write(
        "top/top.yaml",
        "name: top\nbase: { recipe: { source: ../upon.yaml } }\nsteps: { install: [{ run: { inline: top } }] }\n",
    );
    let (upon, top) = (folder.plan("upon.yaml"), folder.plan("top/top.yaml"));
    let shared = upon.steps.len() - 1;
    let keys = |plan: &Plan| plan.steps[..shared].iter().map(|step| step.key).collect::<Vec<_>>();
    assert_eq!(keys(&upon), keys(&top));
    let own = ["install top", "finish two", "finish one", "clean one", "finalize top"];
    assert_eq!(ids(&top)[shared..], own);
    let included: Vec<_> = folder.loaded("top/top.yaml").recipe.included.into_keys().collect();
    assert_eq!(included, ["../base/below.yaml", "../upon.yaml"]);
}

#[test]
fn parameters_secrets_and_paths_of_the_base_are_its_own() {
    let folder = Folder::new(&[
        (
            "base/below.yaml",
            "name: \"below-{{ release }}\"\nparams: { release: { type: string } }\n\
             base: { image: { source: \"{{ release }}.qcow2\", sha256: SHA256SUMS } }\nsecrets: { a: { file: a } }\n",
        ),
        (
            "upon.yaml",
            "name: upon\nparams: { which: { type: string, default: trixie } }\nsecrets: { b: { file: b } }\n\
             base: { recipe: { source: base/below.yaml, params: { release: \"{{ which }}\" } } }\n",
        ),
    ]);
    let loaded = folder.loaded("upon.yaml");
    let Base::Image(image) = &loaded.recipe.base else { panic!("an image") };
    assert_eq!((image.source.as_str(), image.sha256.as_str()), ("base/trixie.qcow2", "base/SHA256SUMS"));
    let file = |path: &str| SecretSource::File(PathBuf::from(path));
    assert_eq!(loaded.recipe.secrets.into_values().collect::<Vec<_>>(), [file("base/a"), file("b")]);
}

#[test]
fn what_does_not_fit_the_base_is_told_at_its_place() {
    let conflict = "name: three\ndescription: for tests\nconflicts: [one]\n";
    for (line, place, words) in [
        ("disk: { size: 3GiB }", "upon.yaml:3:1", "the disk is the one of the base recipe"),
        ("arch: aarch64", "upon.yaml:3:7", "the base recipe makes an image for x86_64"),
        ("elements: [one: { a: 1 }]", "upon.yaml:3:12", "the base recipe has applied element `one` already"),
        ("elements: [three]", "upon.yaml:3:12", "elements `three` and `one` cannot be together"),
        ("secrets: { s: { env: B } }", "upon.yaml:3:12", "the base recipe has a secret `s` of another source"),
    ] {
        let folder = folder();
        folder.write("elements/three/element.yaml", conflict);
        folder.write("base/below.yaml", &format!("{BASE}secrets: {{ s: {{ env: A }} }}\n"));
        folder.write("upon.yaml", &format!("name: upon\nbase: {{ recipe: {{ source: base/below.yaml }} }}\n{line}\n"));
        let shown = folder.load("upon.yaml").expect_err(line).render(false);
        assert!(shown.contains(place) && shown.contains(words), "{line}: {shown}");
        assert_eq!(shown.matches("error: ").count(), 1, "{line}: {shown}");
    }
    for (base, words) in [
        ("{ source: base/none.yaml }", "`base/none.yaml`: the file cannot be read"),
        ("{ source: upon.yaml }", "recipes start from each other in a circle: upon.yaml -> upon.yaml"),
        (
            "{ source: base/circle.yaml }",
            "recipes start from each other in a circle: upon.yaml -> circle.yaml -> upon.yaml",
        ),
        ("{ source: base/below.yaml, params: { relase: x } }", "the base recipe has no parameter `relase`"),
        ("{ source: base/open.yaml }", "the base recipe needs parameter `release`"),
        ("{ source: base/open.yaml, params: { release: [x] } }", "parameter `release` of the base recipe"),
        ("{ source: base/faulty.yaml }", "base/faulty.yaml:3:12"),
    ] {
        let folder = folder();
        folder.write("base/circle.yaml", "name: circle\nbase: { recipe: { source: ../upon.yaml } }\n");
        folder.write("base/open.yaml", &format!("{BASE}params: {{ release: {{ type: string }} }}\n"));
        folder.write(
            "base/faulty.yaml",
            "name: faulty\nbase: { bootstrap: { distro: debian, release: bookworm } }\npackages: ['a b']\n",
        );
        folder.write("upon.yaml", &format!("name: upon\nbase: {{ recipe: {base} }}\n"));
        let shown = folder.load("upon.yaml").expect_err(base).render(false);
        assert!(shown.contains(words), "{base}: {shown}");
        assert_eq!(shown.matches("error: ").count(), 1, "{base}: {shown}");
    }
}
