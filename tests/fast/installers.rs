//! Bases that an installer makes: what of them is part of a key, and what a plan shows.

use std::collections::BTreeMap;
use std::fs;
use std::path::PathBuf;
use std::process::Command;

use goldsmith::digest::Sha256;
use goldsmith::plan::{self, BasePlan, InstallerPlan, Plan};
use goldsmith::recipe::{self, Arch, Base, LoadOptions, Loaded};

const RECIPE: &str = "
name: installed
params: { zone: { type: string, default: Etc/UTC } }
secrets: { root: { file: root.secret } }
base:
  installer:
    distro: debian
    release: '12'
    kernel: { source: linux }
    initrd: { source: initrd.gz }
    preseed: preseed.cfg
arch: x86_64
packages: [nginx]
";

struct Folder(tempfile::TempDir);

impl Folder {
    fn new() -> Self {
        let folder = Self(tempfile::tempdir().expect("a directory"));
        let answer = "d-i time/zone string {{ zone }}\nd-i passwd/root-password password {{ secrets.root }}\n";
        for (name, text) in [
            ("recipe.yaml", RECIPE),
            ("preseed.cfg", answer),
            ("linux", "a kernel"),
            ("initrd.gz", "an initrd"),
            ("root.secret", "hunter2-of-the-test\n"),
        ] {
            folder.write(name, text);
        }
        folder
    }

    fn path(&self, name: &str) -> PathBuf {
        self.0.path().join(name)
    }

    fn write(&self, name: &str, text: &str) {
        fs::write(self.path(name), text).expect("writable");
    }

    fn loaded(&self) -> Loaded {
        recipe::load(&self.path("recipe.yaml"), &LoadOptions::new(Arch::X86_64), None)
            .unwrap_or_else(|errors| panic!("{errors}"))
    }

    fn errors(&self) -> String {
        recipe::load(&self.path("recipe.yaml"), &LoadOptions::new(Arch::X86_64), None)
            .expect_err("it has errors")
            .to_string()
    }

    /// The plan for files with the content that they have now.
    fn plan(&self) -> Plan {
        let loaded = self.loaded();
        let Base::Installer(installer) = &loaded.recipe.base else { panic!("an installer") };
        let digest = |path: &str| Sha256::of(&fs::read(self.path(path)).expect("a file"));
        let digests = installer
            .source
            .files()
            .map(|(key, file)| (key.to_owned(), digest(&file.source)))
            .collect::<BTreeMap<_, _>>();
        let (base, answer, files) = (*installer.clone(), installer.answer.digest(), BTreeMap::new());
        let base = BasePlan::Installer(Box::new(InstallerPlan { base, answer, digests, files, refreshed: None }));
        let composition = loaded.composition.clone().expect("the recipe says what is installed");
        plan::resolve(&loaded.recipe, composition, base, loaded.notes.clone())
    }
}

#[test]
fn everything_that_the_installer_sees_is_part_of_the_key_but_no_secret() {
    let folder = Folder::new();
    let plan = folder.plan();
    let steps: Vec<_> = plan.steps.iter().map(|step| step.id.to_string()).collect();
    assert_eq!(steps, ["base debian bookworm installer", "install packages", "finalize installed"]);
    let key = plan.steps[0].key;
    let text = serde_json::to_string(&plan).expect("JSON");
    assert!(!text.contains("hunter2"), "{text}");

    // The value of a secret, the name of a file, and what only bounds the installation.
    folder.write("root.secret", "another\n");
    folder.write("other.cfg", &fs::read_to_string(folder.path("preseed.cfg")).expect("text"));
    folder.write(
        "recipe.yaml",
        &RECIPE.replace("preseed.cfg", "other.cfg\n    deadline: 2h\n    silence: 1h\n    cpus: 4"),
    );
    assert_eq!(folder.plan().steps[0].key, key);

    for (from, to) in [
        ("Etc/UTC", "Europe/Vienna"),
        ("packages: [nginx]", "disk: { size: 9GiB }"),
        ("preseed.cfg", "preseed.cfg\n    memory: 1GiB"),
        ("preseed.cfg", "preseed.cfg\n    network: isolated"),
        ("preseed.cfg", "preseed.cfg\n    firmware: uefi"),
        ("preseed.cfg", "preseed.cfg\n    proxy: true"),
        ("preseed.cfg", "preseed.cfg\n    arguments: [quiet]"),
        ("release: '12'", "release: trixie"),
    ] {
        folder.write("recipe.yaml", &RECIPE.replace(from, to));
        assert_ne!(folder.plan().steps[0].key, key, "{to}");
    }
    folder.write("recipe.yaml", RECIPE);
    for file in ["linux", "initrd.gz", "preseed.cfg"] {
        let before = fs::read_to_string(folder.path(file)).expect("text");
        folder.write(file, &format!("{before}\n"));
        assert_ne!(folder.plan().steps[0].key, key, "{file}");
        folder.write(file, &before);
    }
    assert_eq!(folder.plan().steps[0].key, key);
}

#[test]
fn faults_of_an_answer_file_are_shown_in_it() {
    let folder = Folder::new();
    for (answer, told) in [
        ("a\n{{ zonee }}\n", "preseed.cfg:2:4"),
        ("{{ secrets.rot }}\n", "preseed.cfg:1:"),
        ("{{ secrets.root | upper }}\n", "a filter changes a secret"),
        ("a \u{2}root\u{3}\n", "control character"),
    ] {
        folder.write("preseed.cfg", answer);
        let errors = folder.errors();
        assert!(errors.contains(told), "{answer}: {errors}");
    }
    fs::remove_file(folder.path("preseed.cfg")).expect("it is there");
    let errors = folder.errors();
    assert!(
        errors.contains("`preseed.cfg`: the file cannot be read") && errors.contains("recipe.yaml:11:"),
        "{errors}"
    );
    // A file that never ends.
    std::os::unix::fs::symlink("/dev/zero", folder.path("preseed.cfg")).expect("a link");
    assert!(folder.errors().contains("this is no regular file"), "{}", folder.errors());
    fs::remove_file(folder.path("preseed.cfg")).expect("it is there");
    folder.write("preseed.cfg", &"x".repeat(2 << 20));
    assert!(folder.errors().contains("at most 1048576 are read"), "{}", folder.errors());
}

#[test]
fn a_plan_starts_no_installer_and_shows_where_it_comes_from() {
    let folder = Folder::new();
    let plan = |more: &[&str]| {
        let mut goldsmith = Command::new(env!("CARGO_BIN_EXE_goldsmith"));
        goldsmith.current_dir(folder.0.path()).args(["plan", "recipe.yaml", "--cache", "cache"]).args(more);
        let output = goldsmith.output().expect("goldsmith runs");
        let said = String::from_utf8_lossy(&output.stdout).into_owned();
        assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
        said
    };
    let said = plan(&[]);
    let kernel = Sha256::of(b"a kernel").short();
    for words in [
        &format!("from the installer's kernel linux, sha256 {kernel}")[..],
        "answered by its preseed file",
        "installer",
    ] {
        assert!(said.contains(words), "{said}");
    }
    let json = plan(&["--json"]);
    assert!(!said.contains("hunter2") && !json.contains("hunter2") && json.contains("\"preseed\""), "{json}");
    fs::remove_file(folder.path("linux")).expect("it is there");
    let mut goldsmith = Command::new(env!("CARGO_BIN_EXE_goldsmith"));
    let output = goldsmith.current_dir(folder.0.path()).args(["plan", "recipe.yaml", "--cache", "cache"]).output();
    let output = output.expect("goldsmith runs");
    let said = String::from_utf8_lossy(&output.stderr);
    assert!(output.status.code() == Some(10) && said.contains("linux"), "{said}");
}
