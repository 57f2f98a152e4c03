//! `goldsmith init`: what it writes is valid, replaces nothing, and is what it says.

use std::path::Path;

use super::sandbox::{Sandbox, names};

/// All files below a directory, with their texts.
fn texts(dir: &Path) -> Vec<(String, String)> {
    let mut found = Vec::new();
    for name in names(dir) {
        let path = dir.join(&name);
        if path.is_dir() {
            found.extend(texts(&path).into_iter().map(|(inner, text)| (format!("{name}/{inner}"), text)));
        } else {
            found.push((name, std::fs::read_to_string(&path).expect("text")));
        }
    }
    found
}

#[test]
fn a_new_recipe_is_valid_for_each_distribution() {
    let sandbox = Sandbox::new();
    let listed = sandbox.run("distros --json").last_json();
    let mut tried = 0;
    for one in listed.as_array().expect("a list") {
        let name = one["distro"]["name"].as_str().expect("a name");
        let made = sandbox.run(&format!("init {name} --from {name}"));
        let openrc = one["distro"]["mechanisms"]["init"] == "openrc";
        if openrc || one["bootstrap"] != true {
            assert_eq!(made.code, Some(2), "{made:?}");
            let told = if openrc { "which has no systemd" } else { "cannot be made of packages here" };
            assert!(made.stderr.contains(told), "{made:?}");
            assert!(!sandbox.path(name).exists(), "{name}");
            continue;
        }
        assert_eq!((made.code, made.stderr.as_str()), (Some(0), ""), "{made:?}");
        let next = format!("next: goldsmith build {name}/{name}.yaml");
        assert!(made.stdout.lines().any(|line| line == next), "{made:?}");
        let valid = sandbox.run(&format!("validate {name}/{name}.yaml"));
        assert_eq!(valid.code, Some(0), "{valid:?}");
        for release in one["distro"]["releases"].as_array().expect("a list") {
            let release = release["name"].as_str().expect("a name");
            let dir = format!("{name}-{release}");
            assert_eq!(sandbox.run(&format!("init {dir} --from {name}:{release} --name x")).code, Some(0), "{dir}");
            let valid = sandbox.run(&format!("validate {dir}/x.yaml"));
            assert_eq!(valid.code, Some(0), "{valid:?}");
            tried += 1;
        }
    }
    assert!(tried > 20, "{tried} releases were tried");
    // Debian 14 is known too, but not out.
    let debian = std::fs::read_to_string(sandbox.path("debian/debian.yaml")).expect("a recipe");
    assert!(debian.contains("release: trixie"), "{debian}");
}

#[test]
fn the_files_say_what_they_are_for() {
    let sandbox = Sandbox::new();
    let made = sandbox.run("init web --from debian:12 --ci github");
    assert_eq!(made.code, Some(0), "{made:?}");
    let files = texts(&sandbox.path("web"));
    let paths: Vec<_> = files.iter().map(|(path, _)| path.as_str()).collect();
    assert_eq!(paths, [".github/workflows/image.yml", ".gitignore", ".goldsmith/recipe.schema.json", "web.yaml"]);
    for path in paths {
        assert!(made.stdout.contains(&format!("wrote web/{path}\n")), "{made:?}");
    }
    let recipe = &files[3].1;
    let schema =
        recipe.lines().next().and_then(|line| line.strip_prefix("# yaml-language-server: $schema=")).expect("the line");
    assert!(sandbox.path("web").join(schema).is_file(), "{schema}");
    assert!(recipe.contains("release: bookworm") && recipe.contains("verify: {}"), "{recipe}");
    insta::with_settings!({ omit_expression => true, prepend_module_to_snapshot => false }, {
        insta::assert_snapshot!("a_new_recipe", recipe);
        insta::assert_snapshot!("a_new_file_for_github", files[0].1);
    });
}

#[test]
fn a_new_element_has_a_test_that_lists_it() {
    let sandbox = Sandbox::new();
    let made = sandbox.run("init . --element motd --ci gitlab");
    assert_eq!(made.code, Some(0), "{made:?}");
    assert!(made.stdout.ends_with("next: goldsmith test elements/motd\n"), "{made:?}");
    let shown = sandbox.run("elements show motd");
    assert_eq!(shown.code, Some(0), "{shown:?}");
    let valid = sandbox.run("validate --elements elements elements/motd/test.yaml");
    assert_eq!(valid.code, Some(0), "{valid:?}");
    for file in ["elements/motd/element.yaml", "elements/motd/test.yaml"] {
        let text = std::fs::read_to_string(sandbox.path(file)).expect("text");
        let schema = text.lines().next().and_then(|line| line.split_once("$schema=")).expect("the line").1;
        assert!(sandbox.path("elements/motd").join(schema).is_file(), "{schema}");
    }
    insta::with_settings!({ omit_expression => true, prepend_module_to_snapshot => false }, {
        insta::assert_snapshot!("a_new_file_for_gitlab", std::fs::read_to_string(sandbox.path(".gitlab-ci.yml")).expect("text"));
    });
}

#[test]
fn what_is_there_stays() {
    let sandbox = Sandbox::new();
    sandbox.write("web/web.yaml", "mine");
    let refused = sandbox.run("init web");
    assert_eq!(refused.code, Some(2), "{refused:?}");
    assert!(refused.stderr.contains("web/web.yaml is there already, and nothing was written"), "{refused:?}");
    assert_eq!(names(&sandbox.path("web")), ["web.yaml"]);
    sandbox.write("web/.gitignore", "/target\n");
    let made = sandbox.run("init web --name db --json");
    let said = made.last_json();
    assert_eq!((made.code, &said["kept"][0]), (Some(0), &"web/.gitignore".into()), "{made:?}");
    assert_eq!(said["next"], serde_json::json!(["goldsmith", "build", "web/db.yaml"]));
    assert_eq!(std::fs::read_to_string(sandbox.path("web/.gitignore")).expect("text"), "/target\n");
    assert_eq!(std::fs::read_to_string(sandbox.path("web/web.yaml")).expect("text"), "mine");
    // A link counts too, also one to nothing.
    std::os::unix::fs::symlink("nowhere", sandbox.path("web/link.yaml")).expect("a link");
    assert_eq!(sandbox.run("init web --name link").code, Some(2));
    assert!(!sandbox.path("web/nowhere").exists());
}

#[test]
fn an_image_is_named_with_its_digest() {
    let sandbox = Sandbox::new();
    sandbox.write("images/base.raw", vec![0; 1 << 20]);
    assert_eq!(sandbox.run("convert --from raw images/base.raw images/base.qcow2").code, Some(0));
    let made = sandbox.run("init own --from images/base.qcow2");
    assert_eq!(made.code, Some(0), "{made:?}");
    let recipe = std::fs::read_to_string(sandbox.path("own/own.yaml")).expect("text");
    let digest =
        goldsmith::digest::Sha256::of_file(&sandbox.path("images/base.qcow2")).expect("it is there").to_string();
    let place = sandbox.path("images/base.qcow2").canonicalize().expect("it is there").display().to_string();
    assert!(recipe.contains(&digest) && recipe.contains(&place), "{recipe}");
    assert!(recipe.contains("disk: { size: 2GiB }"), "{recipe}");
    let valid = sandbox.run("validate own/own.yaml");
    assert_eq!(valid.code, Some(0), "{valid:?}");
    let list = "--sha256 https://images.example.org/SHA256SUMS";
    assert_eq!(sandbox.run(&format!("init far --from https://images.example.org/a.qcow2 {list}")).code, Some(0));
    let valid = sandbox.run("validate far/far.yaml");
    assert_eq!(valid.code, Some(0), "{valid:?}");
}

#[test]
fn wrong_words_get_suggestions_and_write_nothing() {
    let sandbox = Sandbox::new();
    for (words, told) in [
        ("init x --from debain", "did you mean `debian`?"),
        ("init x --from debian:bokworm", "did you mean `debian:bookworm`?"),
        ("init x --from debian:99", "known here: `bullseye`, `bookworm`, `trixie`"),
        ("init x --from https://images.example.org/a.qcow2", "--sha256 gives it"),
        ("init x --from debian --sha256 00", "leave out --sha256"),
        ("init x --from images/none.txt", "is no known distribution, no file and no address"),
        ("init x --name a/b", "`a/b` cannot name an image"),
        ("init x --element A", "`A` cannot name an element"),
    ] {
        let ran = sandbox.run(words);
        assert_eq!(ran.code, Some(2), "{ran:?}");
        assert!(ran.stderr.contains(told), "{words}: {ran:?}");
        assert!(!sandbox.path("x").exists(), "{words}");
    }
}

#[test]
fn a_test_of_an_element_must_test_it() {
    let sandbox = Sandbox::new();
    let element = "name: own\ndescription: x\n";
    sandbox.write("elements/own/element.yaml", element);
    let base = "base: { bootstrap: { distro: debian, release: bookworm } }\n";
    for (test, code, told) in [
        (None, 2, "the element in elements/own has no test"),
        (Some("elements: [sysprep]\nverify: {}\n"), 10, "does not list the element `own`"),
        (Some("elements: [own]\n"), 10, "has no `verify`, so it would test nothing"),
        (Some("elements: [own]\nverifi: {}\n"), 10, "unknown key `verifi`"),
    ] {
        if let Some(test) = test {
            sandbox.write("elements/own/test.yaml", format!("name: test-own\n{base}{test}"));
        }
        let ran = sandbox.run("test elements/own");
        assert_eq!(ran.code, Some(code), "{ran:?}");
        assert!(ran.stderr.contains(told), "{ran:?}");
    }
    assert_eq!(sandbox.run("test elements").code, Some(2));
}
