//! What a person meets in the first minutes: help, directories of artifacts, summaries, verdicts, and how much is shown.

use std::process::Stdio;

use goldsmith::digest::Sha256;
use serde_json::json;

use super::sandbox::{BASE, Sandbox};
use super::trees::built;

#[test]
fn help_is_a_command_too() {
    let sandbox = Sandbox::new();
    for (command, option) in [("help build", "build --help"), ("help cache gc", "cache gc --help"), ("help", "--help")]
    {
        let (command, option) = (sandbox.run(command), sandbox.run(option));
        assert_eq!(command.code, Some(0), "{command:?}");
        let first = |text: &str| text.lines().next().unwrap_or_default().to_owned();
        assert_eq!(first(&command.stdout), first(&option.stdout));
    }
}

#[test]
fn the_cache_is_an_option_of_commands_that_use_one() {
    let sandbox = Sandbox::new();
    sandbox.write("x.yaml", format!("name: x\n{BASE}"));
    for command in ["build", "plan", "validate", "inspect", "verify", "run", "diff", "cache ls", "doctor"] {
        assert!(sandbox.run(&format!("{command} --help")).stdout.contains("--cache"), "{command}");
    }
    for command in ["convert", "publish", "images list", "elements", "distros", "schema"] {
        assert!(!sandbox.run(&format!("{command} --help")).stdout.contains("--cache"), "{command}");
    }
    let ran = sandbox.run("elements --cache x");
    assert!(ran.code == Some(2) && ran.stderr.contains("--cache"), "{ran:?}");
    assert_eq!(sandbox.run("validate x.yaml --cache there").code, Some(0));
    // A command without a cache needs no place for one.
    let mut command = sandbox.command(env!("CARGO_BIN_EXE_goldsmith"));
    assert!(command.env_remove("HOME").arg("distros").output().expect("it starts").status.success());
}

#[test]
fn a_directory_of_artifacts_stands_for_its_image() {
    let sandbox = Sandbox::new();
    let mut qemu_img = sandbox.command("qemu-img");
    std::fs::create_dir_all(sandbox.path("out/gold")).expect("a directory");
    let disk = sandbox.path("out/gold/gold.qcow2");
    assert!(qemu_img.args(["create", "-q", "-f", "qcow2"]).arg(&disk).arg("64M").status().expect("it runs").success());
    let content = std::fs::read(&disk).expect("a disk");
    built(&sandbox, "2026-11-20T10:00:00Z", &content);
    let ran = sandbox.run("inspect --header out/gold");
    assert!(ran.code == Some(0) && ran.stdout.contains("out/gold/gold.qcow2"), "{ran:?}");
    let ran = sandbox.run("convert out/gold gold.vmdk");
    assert!(ran.code == Some(0) && sandbox.path("gold.vmdk").exists(), "{ran:?}");
    for command in ["inspect", "verify", "run", "convert out x.qcow2", "diff out/gold"] {
        let line = if command.starts_with("convert") { command.to_owned() } else { format!("{command} out") };
        let ran = sandbox.run(&line);
        assert_eq!(ran.code, Some(2), "{line}: {ran:?}");
        let words = "out is a directory without a manifest.json that can be read";
        let hint = "name one of the directories of artifacts in it: out/gold";
        assert!(ran.stderr.contains(words) && ran.stderr.contains(hint), "{line}: {ran:?}");
    }
    // A manifest of somebody else leads to no file outside of its directory.
    sandbox.write("secret", "x");
    for file in ["../../secret", "/etc/passwd", "link", ".."] {
        let artifact = json!({ "file": file, "format": "raw", "size": 1, "sha256": Sha256::of(b"x") });
        let manifest = json!({
            "format": 1, "name": "gold", "arch": "x86_64", "layer": Sha256::of(b"x"),
            "distro": { "name": "debian", "release": "bookworm", "version": "12", "family": "debian" },
            "artifacts": [artifact],
        });
        sandbox.write("foreign/manifest.json", manifest.to_string());
        let _ = std::os::unix::fs::symlink(sandbox.path("secret"), sandbox.path("foreign/link"));
        let ran = sandbox.run("inspect --header foreign");
        assert!(ran.code == Some(2) && ran.stderr.contains("which is no file in it"), "{file}: {ran:?}");
    }
}

#[test]
fn what_is_no_disk_is_told_and_refused() {
    let sandbox = Sandbox::new();
    sandbox.write("README.md", "# Gold\n\nA text in **UTF-8**: schön.\n");
    let ran = sandbox.run("inspect --header README.md");
    assert_eq!(ran.code, Some(10), "{ran:?}");
    assert!(ran.stdout.contains("a text file") && !ran.stdout.contains("accepts it"), "{ran:?}");
    assert!(ran.stderr.contains("README.md is a text file, not a disk image"), "{ran:?}");
}

#[test]
fn a_summary_of_an_element_has_parameters_packages_steps_and_checks() {
    let sandbox = Sandbox::new();
    let ran = sandbox.run("elements show sshd");
    for part in [
        "sshd: An SSH server",
        "permit_root_login        string   prohibit-password",
        "no, prohibit-password, forced-commands-only, yes",
        "packages:\n  all  {{ os.packages.ssh_server }}",
        "configure  write /etc/ssh/sshd_config.d/60-image.conf",
        "(when os.units.ssh == 'ssh.service')",
        "clean      remove /etc/ssh/ssh_host_*_key",
        "checks:\n  service-enabled {{ os.units.ssh }}",
        "booted port 22",
    ] {
        assert!(ran.stdout.contains(part), "{part}: {}", ran.stdout);
    }
    assert!(!ran.stdout.contains("PermitRootLogin {{"), "the file itself is not shown: {}", ran.stdout);
    let yaml = sandbox.run("elements show sshd --yaml").stdout;
    assert_eq!(yaml, include_str!("../../../elements/sshd/element.yaml"));
    let json = sandbox.run("elements show sshd --json").last_json();
    assert!(json["steps"]["clean"][0].as_str().is_some_and(|action| action.starts_with("remove ")), "{json}");
    assert!(sandbox.run("elements").stdout.contains("parameters: password_authentication, permit_root_login"));
}

#[test]
fn an_element_in_the_old_form_is_read_with_a_note() {
    let sandbox = Sandbox::new();
    sandbox.write("elements/old/element.yaml", "name: old\ndescription: x\nconfigure:\n  - remove: [/a]\n");
    sandbox.write("elements/new/element.yaml", "name: new\ndescription: x\nsteps:\n  configure:\n    - remove: [/a]\n");
    let keys = ["old", "new"].map(|name| {
        sandbox.write(&format!("{name}.yaml"), format!("name: x\n{BASE}elements: [{name}]\n"));
        let ran = sandbox.run(&format!("validate {name}.yaml"));
        assert_eq!(ran.code, Some(0), "{ran:?}");
        let note = "note: ./elements/old/element.yaml:3: put `configure` below `steps:`, as in a recipe";
        assert_eq!(ran.stdout.contains(note), name == "old", "{ran:?}");
        assert!(ran.stdout.contains("(3 steps, 0 packages)"), "{ran:?}");
        sandbox.run(&format!("elements show {name} --json")).last_json()["steps"].clone()
    });
    assert_eq!(keys[0], keys[1]);
}

#[test]
fn a_recipe_comes_from_standard_input_and_several_are_checked_at_once() {
    let sandbox = Sandbox::new();
    for name in ["x", "y"] {
        sandbox.write(&format!("{name}.yaml"), format!("name: {name}\n{BASE}"));
    }
    let ran = sandbox.run("validate x.yaml y.yaml");
    assert!(ran.code == Some(0) && ran.stdout.lines().count() == 2, "{ran:?}");
    let validate = |text: &str| {
        sandbox.write("given", text);
        let mut command = sandbox.command(env!("CARGO_BIN_EXE_goldsmith"));
        let given = std::fs::File::open(sandbox.path("given")).expect("a file");
        let ran = command.args(["validate", "-"]).stdin(Stdio::from(given)).output().expect("it runs");
        super::sandbox::Ran::from(ran)
    };
    let ran = validate(&format!("name: given\n{BASE}"));
    assert!(ran.code == Some(0) && ran.stdout.starts_with("<stdin>: recipe `given` is valid"), "{ran:?}");
    let ran = validate("name: given\nbsae: {}\n");
    assert!(ran.code == Some(10) && ran.stderr.contains("<stdin>:2:1"), "{ran:?}");
}

#[test]
fn what_a_build_will_lack_is_told_before_it() {
    let sandbox = Sandbox::new();
    let lists = "home/.cache/goldsmith/packages/debian-bookworm-amd64/lists-0123456789abcdef";
    sandbox
        .write(&format!("{lists}/h_main_binary-amd64_Packages"), "Package: nginx\nProvides: httpd\n\nPackage: curl\n");
    sandbox.write(
        "x.yaml",
        format!(
            "name: x\narch: x86_64\n{BASE}packages: [ngnix, curl, httpd]\nsecrets: {{ token: {{ env: NOT_SET }} }}\n"
        ),
    );
    let ran = sandbox.run("validate x.yaml");
    assert_eq!(ran.code, Some(0), "{ran:?}");
    let warnings: Vec<_> = ran.stdout.lines().filter(|line| line.starts_with("warning: ")).collect();
    assert_eq!(
        warnings,
        [
            "warning: the secret `token` has no value: $NOT_SET is not set",
            "warning: no repository of debian-bookworm-amd64 has a package `ngnix`, by the index in the cache; did you mean `nginx`?",
        ]
    );
    sandbox.image_recipe("y.yaml", "images/none.qcow2", &"a".repeat(64));
    let ran = sandbox.run("validate y.yaml --json");
    assert!(
        ran.last_json()["warnings"][0].as_str().is_some_and(|text| text.contains("images/none.qcow2 does not exist")),
        "{ran:?}"
    );
}

#[test]
fn programs_are_told_the_version_before_a_failure() {
    let sandbox = Sandbox::new();
    sandbox.write("bad.yaml", "nam: x\n");
    for line in ["validate --json bad.yaml", "--json biuld", "cache gc --json", "build --json bad.yaml"] {
        let ran = sandbox.run(line);
        let first: serde_json::Value =
            serde_json::from_str(ran.stdout.lines().next().unwrap_or_default()).expect("a line of JSON");
        assert_eq!(first["event"], "goldsmith", "{line}: {ran:?}");
        assert_eq!(ran.last_json()["event"], "failed", "{line}: {ran:?}");
    }
}

#[test]
fn a_tab_is_shown_in_its_own_line() {
    let sandbox = Sandbox::new();
    for (text, place) in [
        ("name: x\nbase:\n\tbootstrap: {}\n", "x.yaml:3:1"),
        ("name: x\nsteps:\n  configure:\n\t- remove: [/a]\n", "x.yaml:4:1"),
        ("name: x\ndisk:\n  size: 3GiB\n\tlayout: bios\n", "x.yaml:4:1"),
    ] {
        sandbox.write("x.yaml", text);
        let ran = sandbox.run("validate x.yaml");
        assert!(ran.stderr.contains(place) && ran.stderr.contains("indent with spaces"), "{text:?}: {}", ran.stderr);
    }
}

#[test]
fn colours_and_verbosity_are_the_users_choice() {
    let sandbox = Sandbox::new();
    sandbox.write("bad.yaml", "nam: x\n");
    let coloured = |words: &str| sandbox.run(words).stderr.contains('\u{1b}');
    assert!(coloured("validate bad.yaml --color always") && !coloured("validate bad.yaml"));
    assert!(!coloured("validate bad.yaml --color never"));
    assert_eq!(sandbox.run("validate bad.yaml --color sometimes").code, Some(2));
    assert_eq!(sandbox.run("-q -v validate bad.yaml").code, Some(2));
    let (normal, quiet) = (sandbox.run("cache verify"), sandbox.run("cache verify -q"));
    assert!(!normal.stderr.is_empty() && quiet.stderr.is_empty(), "{normal:?} {quiet:?}");
    assert_eq!(normal.stdout, quiet.stdout);
}

#[test]
fn doctor_ends_with_a_verdict() {
    let ran = Sandbox::new().run("doctor");
    let last = ran.stdout.lines().last().unwrap_or_default().to_owned();
    let word =
        if ran.code == Some(0) { "yes: this host can build images" } else { "no: this host cannot build images" };
    assert!(last.starts_with(word), "{ran:?}");
}

#[test]
fn a_directory_takes_the_option_to_promote() {
    let sandbox = Sandbox::new();
    built(&sandbox, "2026-11-20T10:00:00Z", b"content");
    for words in ["publish out/gold --promote", "publish out/gold --promote --directory tree"] {
        let ran = sandbox.run(words);
        // Nothing that has not passed its checks is promoted.
        assert!(ran.code == Some(14) && ran.stderr.contains("verify"), "{words}: {ran:?}");
        assert!(!ran.stderr.contains("cloud"), "{words}: {ran:?}");
    }
    let manifest = std::fs::read_to_string(sandbox.path("out/gold/manifest.json")).expect("a manifest");
    let mut manifest: serde_json::Value = serde_json::from_str(&manifest).expect("JSON");
    manifest["verified"] = json!({ "key": Sha256::of(b"x"), "passed": true });
    sandbox.write("out/gold/manifest.json", manifest.to_string());
    let ran = sandbox.run("publish out/gold --promote --directory tree");
    assert!(ran.code == Some(0) && sandbox.path("tree/gold/latest").exists(), "{ran:?}");
    let ran = sandbox.run("publish out/gold --promote=stable --directory tree");
    assert!(ran.code == Some(2) && ran.stderr.contains("have no tags"), "{ran:?}");
}

#[test]
fn the_sizes_of_the_cache_are_those_of_the_disk() {
    let sandbox = Sandbox::new();
    assert_eq!(sandbox.run("cache ls").code, Some(0));
    sandbox.write("home/.cache/goldsmith/packages/a.deb", vec![1; 3 << 20]);
    let ran = sandbox.run("cache ls");
    let last = ran.stdout.lines().last().unwrap_or_default();
    assert!(last.starts_with("0 layers, 0 B; ") && last.contains("; 3 MiB in all") || last.contains("; 3.0"), "{last}");
}
