//! The verbs that read only, and command lines that are wrong.

use super::sandbox::{BASE, Sandbox, assert_session};

#[test]
fn command_lines_that_are_wrong() {
    let sandbox = Sandbox::new();
    sandbox.write("x.yaml", format!("name: x\n{BASE}"));
    assert_session!(
        sandbox,
        sandbox.session(&[
            "biuld x.yaml",
            "build",
            "build x.yaml y.yaml",
            "build --param release x.yaml",
            "build --memory 3GB x.yaml",
            "build --memory 64MiB x.yaml",
            "build --timeout soon x.yaml",
            "build --accel fast x.yaml",
            "build --on-failure ask x.yaml",
            "plan --offline --refresh x.yaml",
            "schema recipes",
            "elements show",
            "--json biuld",
        ])
    );
}

#[test]
fn help_is_a_result() {
    let sandbox = Sandbox::new();
    for words in ["--help", "--version", "build --help", "cache gc --help"] {
        let ran = sandbox.run(words);
        assert_eq!((ran.code, ran.stderr.as_str()), (Some(0), ""), "{words}");
        assert!(!ran.stdout.is_empty());
    }
    assert_eq!(sandbox.run("").code, Some(2));
}

#[test]
fn elements_are_listed_and_shown() {
    let sandbox = Sandbox::new();
    sandbox.write(
        "elements/greeting/element.yaml",
        "name: greeting\ndescription: Says hello at login\nparams:\n  \
         text: { type: string, default: hello, description: What is said }\nrequires: [sshd]\n\
         steps:\n  configure:\n    - write: { path: /etc/motd, content: \"{{ text }}\" }\n",
    );
    sandbox.write("broken/bad/element.yaml", "name: bad\n");
    assert_session!(
        sandbox,
        sandbox.session(&[
            "elements show greeting",
            "elements show greeting --json",
            "elements show greting",
            "elements show nothing-like-it",
            "elements show bad --elements broken",
            "elements --elements nowhere",
        ])
    );
    let listed = sandbox.run("elements");
    assert!(listed.stdout.contains("greeting") && listed.stdout.contains("Says hello at login"), "{listed:?}");
    let json = sandbox.run("elements --json").last_json();
    let names: Vec<_> =
        json.as_array().expect("a list").iter().filter_map(|element| element["name"].as_str()).collect();
    assert!(names.contains(&"greeting") && names.contains(&"cloud-init") && names.is_sorted(), "{names:?}");
    for name in names {
        assert_eq!(sandbox.run(&format!("elements show {name}")).code, Some(0), "{name}");
    }
}

#[test]
fn distributions_are_listed_and_shown() {
    let sandbox = Sandbox::new();
    sandbox.write(
        "distros/acme/distro.yaml",
        "name: acme\ntitle: Acme Linux\naliases: [acmeos]\nextends: debian\nuser: acme\nnotes: [it is made up]\n\
         packages: { growpart: [acme-grow] }\nunits: { ssh: acme-ssh.service }\n",
    );
    sandbox.write(
        "broken/bad/distro.yaml",
        "name: bad\ntitle: x\nextends: debain\nfamly: y\nmechanisms: { packages: pkg }\n",
    );
    assert_session!(
        sandbox,
        sandbox.session(&[
            "distros",
            "distros acmeos",
            "distros debain",
            "distros --distros broken",
            "distros --distros nowhere",
            "schema recipe --distros broken",
        ])
    );
    let json = sandbox.run("distros --json").last_json();
    let bootstrapped: Vec<_> = json
        .as_array()
        .expect("a list")
        .iter()
        .filter(|one| one["bootstrap"] == true)
        .filter_map(|one| one["distro"]["name"].as_str())
        .collect();
    assert_eq!(
        bootstrapped,
        [
            "almalinux",
            "alpine",
            "arch",
            "centos",
            "debian",
            "fedora",
            "opensuse",
            "oraclelinux",
            "rhel",
            "rocky",
            "sles",
            "ubuntu"
        ]
    );
    assert_eq!(sandbox.run("distros acme --json").last_json()["distro"]["packages"]["sudo"][0], "sudo");
    // A recipe and an element may name what the folder has, and an element's schema says so.
    sandbox.write("elements/own/element.yaml", "name: own\ndescription: x\npackages: { acme: [y] }\n");
    sandbox.write("x.yaml", format!("name: x\n{BASE}elements: [own]\n"));
    assert_eq!(sandbox.run("validate x.yaml").code, Some(0));
    assert!(sandbox.run("schema element").stdout.contains("|acme|"));
}

#[test]
fn schemas_are_json() {
    let sandbox = Sandbox::new();
    for format in ["recipe", "element", "distro"] {
        let ran = sandbox.run(&format!("schema {format}"));
        assert_eq!((ran.code, ran.stderr.as_str()), (Some(0), ""));
        let schema: serde_json::Value = serde_json::from_str(&ran.stdout).expect("JSON");
        assert_eq!(schema["type"], "object", "{format}");
    }
}

#[test]
fn doctor_says_of_everything_how_it_is() {
    let sandbox = Sandbox::new();
    let ran = sandbox.run("doctor --json");
    let results: Vec<serde_json::Value> =
        serde_json::from_str(ran.stdout.lines().next().expect("a line")).expect("a list");
    let missing = results.iter().any(|result| result["status"] == "missing");
    assert_eq!(ran.code, Some(if missing { 11 } else { 0 }), "{ran:?}");
    for wanted in
        ["kvm", "libguestfs", "kernel", "qemu-system", "qemu-img", "firmware", "bootstrap", "disk space", "memory"]
    {
        let result =
            results.iter().find(|result| result["name"] == wanted).unwrap_or_else(|| panic!("{wanted}: {ran:?}"));
        assert!(["ok", "warning", "missing"].contains(&result["status"].as_str().expect("a word")), "{result}");
        assert!(!result["detail"].as_str().expect("a sentence").is_empty());
    }
    // The verdict on KVM is remembered: the second look is as quick as reading a file.
    let text = sandbox.run("doctor");
    assert_eq!(text.code, ran.code);
    assert!(results.iter().all(|result| text.stdout.contains(result["name"].as_str().expect("a word"))), "{text:?}");
}

#[test]
fn a_result_that_cannot_be_written_is_a_failure() {
    let sandbox = Sandbox::new();
    sandbox.write("disk.raw", vec![0; 1 << 20]);
    sandbox.write("recipe.yaml", "name: a\nbase: { bootstrap: { distro: debian, release: bookworm } }\n");
    for (number, line) in [
        "--help",
        "--version",
        "build --help",
        "elements",
        "elements show sshd",
        "--json elements",
        "distros",
        "schema recipe",
        "validate recipe.yaml",
        "--json validate recipe.yaml",
        "cache ls",
        "doctor",
        "inspect disk.raw --header",
        "verify --list",
        "explain 12",
        "ls",
        "man",
        "completions zsh",
        "convert --from raw disk.raw OUT.qcow2",
        "--json convert --from raw disk.raw OUT.qcow2",
    ]
    .into_iter()
    .enumerate()
    {
        let line = line.replace("OUT", &number.to_string());
        let run = |stdout: std::process::Stdio| {
            let mut command = sandbox.command(env!("CARGO_BIN_EXE_goldsmith"));
            command.args(line.split(' ')).stdout(stdout).output().expect("goldsmith runs")
        };
        let full = std::fs::OpenOptions::new().write(true).open("/dev/full").expect("Linux has it");
        let ended = run(full.into());
        let text = String::from_utf8_lossy(&ended.stderr);
        assert_eq!(ended.status.code(), Some(11), "{line}: {text}");
        assert!(text.contains("cannot write the result to standard output: No space left on device"), "{line}: {text}");
        // Whoever closes the pipe, as `head` does, has what it wanted.
        let (reader, writer) = std::io::pipe().expect("a pipe");
        drop(reader);
        let line = line.replace("qcow2", "vmdk");
        let mut command = sandbox.command(env!("CARGO_BIN_EXE_goldsmith"));
        let ended = command.args(line.split(' ')).stdout(writer).output().expect("goldsmith runs");
        assert_eq!(ended.status.code(), Some(0), "{line}: {}", String::from_utf8_lossy(&ended.stderr));
    }
}
