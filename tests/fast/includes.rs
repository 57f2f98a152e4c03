//! Included files: what several files say together, and which layers they change.

use std::path::{Path, PathBuf};

use goldsmith::digest::Sha256;
use goldsmith::plan::{self, BasePlan, Plan, RepositoryPin};
use goldsmith::recipe::{self, Arch, Base, LoadOptions, Loaded, SecretSource};
use goldsmith::yaml::Diagnostics;

pub(crate) const DEBIAN: &str = "name: x\nbase: { bootstrap: { distro: debian, release: bookworm } }\n";

/// A folder of recipes.
pub(crate) struct Folder(tempfile::TempDir);

impl Folder {
    pub(crate) fn new(files: &[(&str, &str)]) -> Self {
        let folder = Self(tempfile::tempdir().expect("a folder"));
        files.iter().for_each(|(path, text)| folder.write(path, text));
        folder
    }

    pub(crate) fn write(&self, path: &str, text: &str) {
        let path = self.0.path().join(path);
        std::fs::create_dir_all(path.parent().expect("it has one")).expect("a folder");
        std::fs::write(path, text).expect("a file");
    }

    pub(crate) fn load(&self, recipe: &str) -> Result<Loaded, Diagnostics> {
        let options = LoadOptions::new(Arch::X86_64);
        recipe::load(&self.0.path().join(recipe), &options, None)
    }

    pub(crate) fn loaded(&self, recipe: &str) -> Loaded {
        self.load(recipe).unwrap_or_else(|errors| panic!("{errors}"))
    }

    pub(crate) fn load_all(&self, recipe: &str) -> Result<Vec<Loaded>, Diagnostics> {
        self.load_all_with(recipe, &[])
    }

    /// Reads all images of a recipe, with options `--param`.
    pub(crate) fn load_all_with(&self, recipe: &str, params: &[(&str, &str)]) -> Result<Vec<Loaded>, Diagnostics> {
        let mut options = LoadOptions::new(Arch::X86_64);
        options.params.options = params.iter().map(|(name, text)| ((*name).to_owned(), (*text).to_owned())).collect();
        recipe::load_all(&self.0.path().join(recipe), &options)
    }

    pub(crate) fn plan(&self, recipe: &str) -> Plan {
        Self::planned(self.loaded(recipe))
    }

    pub(crate) fn plans(&self, recipe: &str) -> Vec<Plan> {
        let images = self.load_all(recipe).unwrap_or_else(|errors| panic!("{errors}"));
        images.into_iter().map(Self::planned).collect()
    }

    fn planned(loaded: Loaded) -> Plan {
        let Base::Bootstrap(source) = loaded.recipe.base.clone() else { panic!("a bootstrap") };
        let pin = RepositoryPin {
            url: "http://mirror.example/debian".to_owned(),
            suite: "bookworm".to_owned(),
            components: Vec::new(),
            sha256: Sha256::of(b""),
            date: 0,
        };
        let base = BasePlan::Bootstrap { source, repositories: vec![pin] };
        plan::resolve(&loaded.recipe, loaded.composition.expect("its distribution is known"), base, Vec::new())
    }
}

/// The steps whose keys differ.
pub(crate) fn changed(before: &Plan, after: &Plan) -> Vec<String> {
    let differs = before.steps.iter().zip(&after.steps).filter(|(before, after)| before.key != after.key);
    differs.map(|(_, after)| after.id.to_string()).collect()
}

#[test]
fn a_file_wins_over_those_that_it_includes_and_two_others_may_not_differ() {
    let recipe = format!("include: [b.yaml, c.yaml]\n{DEBIAN}");
    let size = |size: &str| format!("include: [d.yaml]\ndisk: {{ size: {size} }}\n");
    let none = "include: [d.yaml]\n".to_owned();
    for (own, b, c, result) in [
        ("", &none, &none, Ok("2 GiB")),
        ("", &size("3GiB"), &none, Ok("3 GiB")),
        ("", &size("3GiB"), &size("3GiB"), Ok("3 GiB")),
        ("disk: { size: 5GiB }", &size("3GiB"), &size("4GiB"), Ok("5 GiB")),
        ("disk: { size: }", &size("3GiB"), &none, Ok("3 GiB")),
        ("", &size("3GiB"), &size("4GiB"), Err("two included files give `disk.size` different values")),
        ("", &none, &"disk: { size: 4GiB }\n".to_owned(), Err("two included files give `disk.size` different values")),
        ("secrets: { a: { file: x } }", &none, &"secrets: { a: { file: x } }\n".to_owned(), Ok("2 GiB")),
        ("disk: [4GiB]", &none, &none, Err("`disk` is a list here, and a map in another file")),
    ] {
        let files = [("x.yaml", format!("{recipe}{own}\n")), ("b.yaml", b.clone()), ("c.yaml", c.clone())];
        let folder = Folder::new(&[("d.yaml", "disk: { size: 2GiB }\n")]);
        files.iter().for_each(|(path, text)| folder.write(path, text));
        match (folder.load("x.yaml"), result) {
            (Ok(loaded), Ok(size)) => assert_eq!(loaded.recipe.disk.size.to_string(), size, "{files:?}"),
            (Err(errors), Err(message)) => {
                let messages: Vec<_> = errors.iter().map(|error| error.message()).collect();
                assert_eq!(messages[0], message, "{files:?}");
                let shown = errors.render(false);
                assert!(shown.contains("here is the other") && shown.contains(":::"), "both places: {shown}");
            }
            (loaded, result) => panic!("{files:?}: {loaded:?}, not {result:?}"),
        }
    }
}

#[test]
fn what_is_chosen_is_not_merged_with_what_is_chosen_elsewhere() {
    let folder = Folder::new(&[
        (
            "x.yaml",
            "name: x\ninclude: [y.yaml]\nbase: { bootstrap: { release: trixie } }\nsecrets: { a: { env: A } }\n\
             params: { l: { default: [own] } }\npackages: \"{{ l }}\"\n",
        ),
        (
            "y.yaml",
            "base: { bootstrap: { distro: debian, release: bookworm } }\nsecrets: { a: { file: a }, b: { file: b } }\n\
             params: { l: { type: list, default: [a, b], choices: [a, b, own] } }\n",
        ),
        ("z.yaml", "name: z\ninclude: [y.yaml]\nbase: { image: { source: z.qcow2, sha256: SHA256SUMS } }\n"),
    ]);
    let loaded = folder.loaded("x.yaml");
    let Base::Bootstrap(base) = &loaded.recipe.base else { panic!("a bootstrap") };
    assert_eq!((base.distro.as_str(), base.release.as_str()), ("debian", "trixie"), "the same kind is merged");
    assert_eq!(loaded.recipe.secrets["a"], SecretSource::Env("A".to_owned()));
    assert_eq!(loaded.composition.expect("it is known").packages.keys().collect::<Vec<_>>(), ["own"]);
    assert!(matches!(folder.loaded("z.yaml").recipe.base, Base::Image(_)));
}

#[test]
fn paths_begin_in_the_folder_of_the_file_that_they_are_written_in() {
    let folder = Folder::new(&[
        ("r/x.yaml", "name: x\ninclude: [../shared/a.yaml]\nsecrets: { own: { file: own } }\n"),
        (
            "shared/a.yaml",
            "include: [deep/b.yaml]\nbase: { image: { source: a.qcow2, sha256: SHA256SUMS, signed-by: /keys/a.asc } }\n\
             secrets: { a: { file: a }, e: { env: E } }\n",
        ),
        (
            "shared/deep/b.yaml",
            "secrets: { b: { file: b } }\noutputs: [{ format: raw }]\npublish: [{ directory: { path: out } }]\n",
        ),
        ("u.yaml", "name: u\ninclude: [shared/u.yaml]\n"),
        (
            "shared/u.yaml",
            "base: { image: { source: https://u.example/u.qcow2, sha256: https://u.example/SHA256SUMS } }\n",
        ),
    ]);
    let loaded = folder.loaded("r/x.yaml");
    let Base::Image(image) = &loaded.recipe.base else { panic!("an image") };
    assert_eq!((image.source.as_str(), image.sha256.as_str()), ("../shared/a.qcow2", "../shared/SHA256SUMS"));
    assert_eq!(image.signed_by.as_deref(), Some("/keys/a.asc"));
    let file = |path: &str| SecretSource::File(PathBuf::from(path));
    let secrets: Vec<_> = loaded.recipe.secrets.into_values().collect();
    let env = SecretSource::Env("E".to_owned());
    assert_eq!(secrets, [file("../shared/a"), file("../shared/deep/b"), env, file("own")]);
    let included: Vec<_> = loaded.recipe.included.into_keys().collect();
    assert_eq!(included, ["../shared/a.yaml", "../shared/deep/b.yaml"]);
    let Base::Image(image) = folder.loaded("u.yaml").recipe.base else { panic!("an image") };
    assert_eq!(image.source, "https://u.example/u.qcow2");
}

#[test]
fn targets_of_an_included_file_begin_in_its_folder() {
    let text = format!("{DEBIAN}include: [shared/y.yaml]\npublish: [{{ directory: {{ path: out }} }}]\n");
    let folder = Folder::new(&[("x.yaml", &text), ("shared/y.yaml", "publish: [{ directory: { path: out } }]\n")]);
    // Equal words in two folders are two places.
    let targets = folder.loaded("x.yaml").composition.expect("it is known").publish;
    let targets: Vec<_> = targets.iter().map(|target| serde_json::to_value(target).expect("JSON")).collect();
    assert_eq!(
        targets,
        [
            serde_json::json!({ "directory": { "path": "shared/out" } }),
            serde_json::json!({ "directory": { "path": "out" } }),
        ]
    );
}

#[test]
fn scripts_of_several_files_may_have_one_name() {
    let text =
        format!("{DEBIAN}include: [a/x.yaml, b/x.yaml]\nsteps: {{ configure: [{{ run: {{ script: x.sh }} }}] }}\n");
    let part = "steps: { configure: [{ run: { script: x.sh } }] }\n";
    let files = [("x.yaml", text.as_str()), ("a/x.yaml", part), ("b/x.yaml", part)];
    let folder = Folder::new(&files);
    for (path, text) in [("x.sh", "own"), ("a/x.sh", "a"), ("b/x.sh", "b")] {
        folder.write(path, text);
    }
    let plan = folder.plan("x.yaml");
    let ids: Vec<_> = plan.steps.iter().map(|step| step.id.to_string()).collect();
    assert_eq!(ids[1..4], ["configure a/x.yaml", "configure b/x.yaml", "configure x"]);
    let digests: Vec<_> = plan.steps[1..4].iter().map(|step| format!("{:?}", step.files["x.sh"])).collect();
    for (digest, text) in digests.iter().zip(["a", "b", "own"]) {
        assert!(digest.contains(&Sha256::of(text.as_bytes()).to_string()), "{digest}");
    }
}

#[test]
fn a_change_of_an_included_file_changes_its_steps_and_those_behind_them() {
    let own =
        "elements: [base-system]\nsteps: { install: [{ run: { inline: own } }], clean: [{ run: { inline: own } }] }\n";
    let recipe = format!("{DEBIAN}include: [parts/one.yaml, parts/two.yaml]\n{own}");
    let one = "steps: { configure: [{ run: { script: one.sh } }] }\n";
    let two = "steps: { configure: [{ run: { inline: two } }] }\n";
    let folder =
        Folder::new(&[("x.yaml", &recipe), ("parts/one.yaml", one), ("parts/two.yaml", two), ("parts/one.sh", "1")]);
    let before = folder.plan("x.yaml");
    let behind = |first: &str| -> Vec<String> {
        let ids = before.steps.iter().map(|step| step.id.to_string());
        ids.skip_while(|id| id != first).collect()
    };
    assert_eq!(behind("configure parts/one.yaml")[..2], ["configure parts/one.yaml", "configure parts/two.yaml"]);
    for (path, text, first) in [
        ("parts/one.yaml", format!("# A comment.\n{one}"), None),
        ("parts/one.yaml", format!("description: x\nverify: {{}}\n{one}"), None),
        ("parts/one.sh", "2".to_owned(), Some("configure parts/one.yaml")),
        ("parts/two.yaml", two.replace("two", "new"), Some("configure parts/two.yaml")),
        ("parts/two.yaml", format!("{two}packages: [curl]\n"), Some("base debian bookworm")),
        ("x.yaml", recipe.replace("clean: [{ run: { inline: own", "clean: [{ run: { inline: new"), Some("clean x")),
    ] {
        let original = std::fs::read_to_string(folder.0.path().join(path)).expect("a file");
        folder.write(path, &text);
        let expected = first.map(behind).unwrap_or_default();
        assert_eq!(first.is_some(), !expected.is_empty(), "{first:?} is a step");
        assert_eq!(changed(&before, &folder.plan("x.yaml")), expected, "{path}: {text}");
        folder.write(path, &original);
    }
}

#[test]
fn recipes_in_different_folders_share_the_layers_of_a_file() {
    let recipe =
        |path: &str| format!("{DEBIAN}include: [{path}]\nsteps: {{ clean: [{{ run: {{ inline: '{path}' }} }}] }}\n");
    let (near, far) = (recipe("shared/a.yaml"), recipe("../../shared/a.yaml"));
    let part = "elements: [shared-one]\nsteps: { configure: [{ run: { script: a.sh } }] }\n";
    let element = "name: shared-one\ndescription: beside the file\nsteps: { install: [{ run: { inline: here } }] }\n";
    let folder =
        Folder::new(&[("x.yaml", &near), ("deep/er/x.yaml", &far), ("shared/a.yaml", part), ("shared/a.sh", "a")]);
    folder.write("shared/elements/shared-one/element.yaml", element);
    let plans = [folder.plan("x.yaml"), folder.plan("deep/er/x.yaml")];
    let keys = plans.map(|plan| plan.steps.iter().map(|step| step.key).collect::<Vec<_>>());
    assert_eq!(keys[0][..3], keys[1][..3], "the base, the element and the file");
    assert_ne!(keys[0][3], keys[1][3], "the recipe's own");
}

#[test]
fn a_file_with_several_names_counts_once() {
    let part = "steps: { install: [{ run: { inline: once } }] }\n";
    let text = format!("{DEBIAN}include: [a.yaml, ./a.yaml, b/../a.yaml, link.yaml]\n");
    let folder = Folder::new(&[("x.yaml", &text), ("a.yaml", part), ("b/empty.yaml", "")]);
    std::os::unix::fs::symlink("a.yaml", folder.0.path().join("link.yaml")).expect("a link");
    let steps = folder.loaded("x.yaml").composition.expect("it is known").steps;
    assert_eq!(steps.iter().map(|step| step.id.to_string()).collect::<Vec<_>>(), ["install a.yaml"]);
}

#[test]
fn a_recipe_has_a_limited_number_of_files() {
    let folder = Folder::new(&[("x.yaml", &format!("{DEBIAN}include: [0.yaml]\n"))]);
    for number in 0..64 {
        folder.write(&format!("{number}.yaml"), &format!("include: [{}.yaml]\n", number + 1));
    }
    folder.write("62.yaml", "packages: [curl]\n");
    folder.loaded("x.yaml");
    folder.write("62.yaml", "include: [63.yaml]\n");
    let errors = folder.load("x.yaml").expect_err("one too many");
    assert_eq!(errors.iter().map(|error| error.message()).collect::<Vec<_>>(), ["a recipe has at most 64 files"]);
    assert!(errors.iter().all(|error| Path::new(error.file()).ends_with("62.yaml")));
}

#[test]
fn equal_relative_paths_in_two_folders_are_two_files() {
    let text = format!("{DEBIAN}include: [a/x.yaml, b/x.yaml, ./a/y.yaml]\n");
    let part = "secrets: { s: { file: token } }\n";
    let folder = Folder::new(&[("x.yaml", &text), ("a/x.yaml", part), ("b/x.yaml", part), ("a/y.yaml", part)]);
    let errors = folder.load("x.yaml").expect_err("two files");
    let messages: Vec<_> = errors.iter().map(|error| error.message()).collect();
    assert_eq!(messages, ["two included files give `secrets.s.file` different values"]);
    folder.write("x.yaml", &text.replace(", b/x.yaml", ""));
    assert_eq!(folder.loaded("x.yaml").recipe.secrets["s"], SecretSource::File(PathBuf::from("a/token")));
}
