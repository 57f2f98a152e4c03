//! Every recipe there is can be planned, without a network.

use std::collections::{BTreeMap, BTreeSet};
use std::path::{Path, PathBuf};

use goldsmith::digest::Sha256;
use goldsmith::plan::{self, BasePlan, Distro, InstallerPlan, Phase, Plan, RepositoryPin, Step};
use goldsmith::recipe::{self, Arch, Base, ContainerSource, Firmware, LoadOptions, Loaded, System, TreeSource};
use goldsmith::tree::Source;

fn options() -> LoadOptions {
    LoadOptions::new(Arch::X86_64)
}

/// As if the base of a recipe were an image of Debian 12.
fn debian() -> System {
    let [name, release, version, family] = ["debian", "bookworm", "12", "debian"].map(str::to_owned);
    let distro = Distro { name, release, version, family };
    System { distro, firmware: vec![Firmware::Bios, Firmware::Uefi] }
}

fn plan_of(loaded: &Loaded) -> Plan {
    let sha256 = Sha256::of(b"made up");
    let base = match &loaded.recipe.base {
        Base::Bootstrap(source) => {
            let url = "http://mirror.example/debian".to_owned();
            let (suite, components) = (source.release.clone(), vec!["main".to_owned()]);
            let pin = RepositoryPin { url, suite, components, sha256, date: 1_694_250_511 };
            BasePlan::Bootstrap { source: source.clone(), repositories: vec![pin] }
        }
        Base::Image(source) => BasePlan::Image { source: source.source.clone(), sha256, refreshed: None },
        Base::Glance(source) => BasePlan::Image { source: source.to_string(), sha256, refreshed: None },
        Base::Installer(installer) => {
            let digests = installer.source.files().map(|(key, _)| (key.to_owned(), sha256)).collect();
            let answer = installer.answer.digest();
            let (base, files) = (*installer.clone(), BTreeMap::new());
            BasePlan::Installer(Box::new(InstallerPlan { base, answer, digests, files, refreshed: None }))
        }
        Base::Tree(TreeSource { source, .. }) | Base::Container(ContainerSource { source, .. }) => {
            let files = Source::Layers { origin: source.clone(), files: Vec::new() };
            BasePlan::Tree { source: source.clone(), sha256, refreshed: None, files }
        }
    };
    let composition = loaded.composition.clone().expect("the distribution is known");
    plan::resolve(&loaded.recipe, composition, base, loaded.notes.clone())
}

/// What is true of every plan.
fn assert_is_sound(plan: &Plan) {
    let name = &plan.name;
    assert_eq!(plan.steps[0].id.phase, Phase::Base, "{name}");
    assert_eq!(plan.steps.last().map(|step| step.id.phase), Some(Phase::Finalize), "{name}");
    let phases: Vec<_> = plan.steps.iter().map(|step| step.id.phase).collect();
    assert!(phases.is_sorted(), "{name}: {phases:?}");
    let distinct = |count: usize| assert_eq!(count, plan.steps.len(), "{name}");
    distinct(plan.steps.iter().map(|step| &step.id).collect::<BTreeSet<_>>().len());
    distinct(plan.steps.iter().map(|step| step.key).collect::<BTreeSet<_>>().len());
    for step in &plan.steps {
        assert_eq!(step.actions.is_empty(), [Phase::Base, Phase::Finalize].contains(&step.id.phase), "{}", step.id);
        for source in step.actions.iter().filter_map(|action| action.source()) {
            let below = format!("{source}/");
            let brought = step.files.keys().any(|path| path == source || path.starts_with(&below));
            assert!(brought, "{name}: {} has no file {source}", step.id);
        }
    }
    assert!(plan.notes.is_empty(), "{name}: {:?}", plan.notes);
    assert!(!plan.outputs.is_empty(), "{name}");
    let json = serde_json::to_string(plan).expect("a plan can be written");
    assert!(!json.contains("{{"), "{name}: a template is left");
}

/// Recipes of the tree: `recipes/*.yaml` and `examples/*/recipe.yaml`.
fn recipes() -> Vec<PathBuf> {
    let entries = |folder: &Path| {
        let entries = std::fs::read_dir(folder).expect("a folder");
        entries.map(|entry| entry.expect("an entry").path()).collect::<Vec<_>>()
    };
    let mut recipes = entries(Path::new("recipes"));
    recipes.extend(entries(Path::new("examples")).iter().map(|example| example.join("recipe.yaml")));
    recipes.retain(|path| path.extension().is_some_and(|extension| extension == "yaml") && path.exists());
    recipes.sort();
    recipes
}

#[test]
fn every_recipe_and_example_can_be_planned() {
    let recipes = recipes();
    assert!(recipes.len() >= 4, "{recipes:?}");
    for path in recipes {
        let text = std::fs::read_to_string(&path).expect("text");
        let images = recipe::load_all_str(&path, &text, &options(), Some(&debian()));
        let images = images.unwrap_or_else(|errors| panic!("{errors}"));
        for loaded in images {
            let plan = plan_of(&loaded);
            assert_is_sound(&plan);
            assert_eq!(plan_of(&loaded).steps.last().map(|step| step.key), plan.steps.last().map(|step| step.key));
        }
    }
}

#[test]
fn the_recipe_of_the_readme_can_be_planned() {
    let readme = std::fs::read_to_string("README.md").expect("it is there");
    let mut planned = 0;
    for block in readme.split("\n```yaml\n").skip(1).filter_map(|rest| rest.split("\n```").next()) {
        if block.starts_with("name: ") && block.contains("\nbase:") {
            let loaded = recipe::load_str(Path::new("tests/README.yaml"), block, &options(), None);
            assert_is_sound(&plan_of(&loaded.unwrap_or_else(|errors| panic!("{errors}"))));
            planned += 1;
        }
    }
    assert!(planned > 0, "the README has no recipe");
}

#[test]
fn packages_of_an_image_base_are_one_step_before_all_others() {
    let text = "name: x\nbase: { image: { source: a.qcow2, sha256: DIGEST } }\npackages: [nginx, curl]\n\
                steps: { install: [{ hostname: web }] }\n";
    let text = text.replace("DIGEST", &"a".repeat(64));
    let loaded = recipe::load_str(Path::new("x.yaml"), &text, &options(), Some(&debian()));
    let plan = plan_of(&loaded.unwrap_or_else(|errors| panic!("{errors}")));
    let steps: Vec<_> = plan.steps.iter().map(|step| step.id.to_string()).collect();
    assert_eq!(steps, ["base a.qcow2", "install packages", "install x", "finalize x"]);
    let action = serde_json::to_value(&plan.steps[1].actions).expect("JSON");
    assert_eq!(action, serde_json::json!([{ "packages": { "install": ["curl", "nginx"] } }]));
}

/// Names of the steps of a recipe with these `steps` that have something.
fn steps_with(steps: &str, has: impl Fn(&Step) -> bool) -> Vec<String> {
    let text =
        format!("name: x\nbase: {{ bootstrap: {{ distro: debian, release: bookworm }} }}\nsteps: {{ {steps} }}\n");
    let loaded = recipe::load_str(Path::new("x.yaml"), &text, &options(), None);
    let plan = plan_of(&loaded.unwrap_or_else(|errors| panic!("{errors}")));
    plan.steps.iter().filter(|step| has(step)).map(|step| step.id.to_string()).collect()
}

#[test]
fn kernel_arguments_belong_to_the_last_step_that_can_change_them() {
    let arguments = "{ kernel-args: { add: [a=b] } }";
    let rows = [
        (format!("configure: [{arguments}], boot: [{{ hostname: x }}], clean: [{{ hostname: y }}]"), "boot x"),
        (format!("configure: [{arguments}], boot: [{arguments}]"), "boot x"),
        (format!("configure: [{arguments}], clean: [{arguments}]"), "clean x"),
        (format!("clean: [{arguments}]"), "clean x"),
        (format!("configure: [{arguments}], finish: [{{ hostname: x }}], clean: [{{ hostname: y }}]"), "finish x"),
    ];
    for (steps, expected) in rows {
        let found = steps_with(&steps, |step| step.arguments.is_some());
        assert_eq!(found, [expected], "{steps}");
    }
}

#[test]
fn what_is_derived_is_made_again_at_the_end_of_finish_and_of_the_build() {
    let rows = [
        (
            "configure: [{ hostname: x }], finish: [{ hostname: y }], clean: [{ hostname: z }]",
            vec!["finish x", "clean x"],
        ),
        ("configure: [{ hostname: x }], boot: [{ hostname: y }]", vec!["boot x"]),
        ("clean: [{ hostname: x }]", vec!["clean x"]),
    ];
    for (steps, expected) in rows {
        let found = steps_with(steps, |step| step.derived.is_some());
        assert_eq!(found, expected, "{steps}");
    }
}
