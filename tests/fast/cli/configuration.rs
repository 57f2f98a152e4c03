//! Settings of users and projects: files, variables, their precedence, and `goldsmith config`.

use super::sandbox::{BASE, Sandbox};

const USER: &str = "home/.config/goldsmith/config.yaml";

#[test]
fn an_option_wins_over_a_variable_a_project_a_user_and_the_default() {
    let sandbox = Sandbox::new();
    sandbox.write("p/x.yaml", format!("name: x\n{BASE}"));
    // The memory shows in what the guest refuses.
    let memory = |words: &str, env: &[(&str, &str)]| {
        let ran = sandbox.run_with(&format!("config p/x.yaml --show-origin {words}"), env);
        assert_eq!(ran.code, Some(0), "{ran:?}");
        let line = ran.stdout.lines().find(|line| line.starts_with("memory ")).expect("a line").to_owned();
        line.split_whitespace().skip(1).map(str::to_owned).collect::<Vec<_>>()
    };
    let project = sandbox.path("p/goldsmith.yaml").canonicalize().unwrap_or_else(|_| sandbox.path("p/goldsmith.yaml"));
    assert_eq!(memory("", &[]), ["1GiB", "default"]);
    sandbox.write(USER, "# mine\nmemory: 2GiB\n");
    assert_eq!(memory("", &[]), ["2GiB", &format!("{}:2", sandbox.path(USER).display())]);
    sandbox.write("p/goldsmith.yaml", "jobs: 1\n\nmemory: 3GiB\n");
    let origin = memory("", &[]);
    assert!(origin[0] == "3GiB" && origin[1].ends_with("p/goldsmith.yaml:3"), "{origin:?} {project:?}");
    let variable = [("GOLDSMITH_MEMORY", "4GiB")];
    assert_eq!(memory("", &variable), ["4GiB", "$GOLDSMITH_MEMORY"]);
    let json = sandbox.run_with("config p/x.yaml --json", &variable).last_json();
    assert_eq!(json["settings"]["memory"]["origin"]["variable"], "GOLDSMITH_MEMORY");
    assert_eq!(json["settings"]["jobs"]["origin"]["line"], 1);
    assert_eq!(json["settings"]["accel"]["origin"]["kind"], "default");
    // An option wins: its own value is checked, and that of the variable has no effect.
    let ran = sandbox.run_with("build p/x.yaml --memory 64MiB", &variable);
    assert!(ran.code == Some(2) && ran.stderr.contains("64MiB"), "{ran:?}");
}

#[test]
fn settings_have_an_effect() {
    let sandbox = Sandbox::new();
    sandbox.write(
        "x.yaml",
        format!("name: x\n{BASE}params: {{ size: {{ type: integer, default: 1 }} }}\nelements: [mine]\n"),
    );
    sandbox.write("shared/mine/element.yaml", "name: mine\ndescription: x\n");
    sandbox.write("site.yaml", "size: big\nother: 1\n");
    assert_eq!(sandbox.run("validate x.yaml").code, Some(10), "the element is not found");
    sandbox.write("goldsmith.yaml", "elements: [shared]\n");
    assert_eq!(sandbox.run("validate x.yaml").code, Some(0));
    assert!(sandbox.run("elements").stdout.contains("mine"), "also without a recipe");
    sandbox.write("goldsmith.yaml", "elements: [shared]\nparams: [site.yaml]\n");
    let ran = sandbox.run("validate x.yaml");
    assert!(ran.code == Some(10) && ran.stderr.contains("site.yaml:1:7"), "{ran:?}");
    assert_eq!(sandbox.run_with("validate x.yaml", &[("GOLDSMITH_PARAM_size", "2")]).code, Some(0), "a variable wins");
    // The cache, which only the user chooses.
    sandbox.write(USER, "cache: ~/cold\ncolor: always\n");
    assert_eq!(sandbox.run("cache ls").code, Some(0));
    assert!(sandbox.path("home/cold/store.json").exists() && !sandbox.path("home/.cache/goldsmith").exists());
    let ran = sandbox.run_with("cache ls", &[("GOLDSMITH_CACHE", "warm")]);
    assert!(ran.code == Some(0) && sandbox.path("warm/store.json").exists(), "{ran:?}");
    assert!(sandbox.run("validate none.yaml").stderr.contains('\u{1b}'), "colours");
    // Without the network, a mirror that was never asked is not known.
    let ran = sandbox.run_with("plan x.yaml -p size=1 --color never", &[("GOLDSMITH_OFFLINE", "true")]);
    assert!(ran.code == Some(11) && ran.stderr.contains("never seen"), "{ran:?}");
}

#[test]
fn a_mirror_of_the_user_is_asked() {
    let sandbox = Sandbox::new();
    sandbox.write("x.yaml", format!("name: x\n{BASE}"));
    let port = std::net::TcpListener::bind("127.0.0.1:0").and_then(|it| it.local_addr()).expect("a port").port();
    sandbox.write(
        "goldsmith.yaml",
        format!("mirrors:\n  debian:\n    main: http://127.0.0.1:{port}/d\n    security: http://127.0.0.1:{port}/s\n"),
    );
    let ran = sandbox.run("plan x.yaml");
    assert!(ran.code == Some(11) && ran.stderr.contains(&format!("127.0.0.1:{port}")), "{ran:?}");
}

#[test]
fn errors_have_their_place_and_come_all_at_once() {
    let sandbox = Sandbox::new();
    sandbox.write(USER, "acel: tcg\nmemory: 3GB\n");
    sandbox.write(
        "goldsmith.yaml",
        "jobs: many\naccel: fast\ncache: /tmp\noutput: ../x\nelements: [/etc]\noffline: 1\nmirrors: { debian: { mian: x } }\n",
    );
    let ran = sandbox.run_with("distros", &[("GOLDSMITH_JOBS", "0"), ("GOLDSMITH_ACCEL", "kmv")]);
    assert_eq!(ran.code, Some(10), "{ran:?}");
    for words in [
        "config.yaml:1:1",
        "did you mean `accel`?",
        "config.yaml:2:9",
        "`3GB`: ",
        "goldsmith.yaml:1:7",
        "expected a whole number, found string `many`",
        "goldsmith.yaml:2:8",
        "known here: auto, kvm, tcg",
        "the file of a project cannot set `cache`",
        "`../x` leads out of the directory of the project",
        "`/etc` leads out of the directory of the project",
        "expected `true` or `false`, found integer `1`",
        "unknown archive `mian`",
        "`$GOLDSMITH_JOBS`: `0`: at least one image is built at a time",
        "`$GOLDSMITH_ACCEL`: `kmv`",
    ] {
        assert!(ran.stderr.contains(words), "{words}: {}", ran.stderr);
    }
    let json = sandbox.run("distros --json").last_json();
    assert_eq!((json["kind"].as_str(), json["details"].as_array().map(Vec::len)), (Some("recipe"), Some(9)), "{json}");
}

#[test]
fn a_project_reaches_nothing_outside_of_its_directory() {
    let sandbox = Sandbox::new();
    sandbox.write("outside/element.yaml", "name: outside\ndescription: x\n");
    std::fs::create_dir(sandbox.path("p")).expect("a directory");
    std::os::unix::fs::symlink(sandbox.path("outside"), sandbox.path("p/link")).expect("a link");
    for value in ["elements: [link]", "elements: [link/new]", "params: [~/secrets.yaml]", "output: a/../../b"] {
        sandbox.write("p/goldsmith.yaml", format!("{value}\n"));
        let ran = sandbox.run("config p/x.yaml");
        assert!(ran.code == Some(10) && ran.stderr.contains("leads out of the directory"), "{value}: {ran:?}");
    }
    for key in ["cache: c", "network: host", "on-failure: shell", "color: never"] {
        sandbox.write("p/goldsmith.yaml", format!("{key}\n"));
        let ran = sandbox.run("config p/x.yaml");
        assert!(ran.code == Some(10) && ran.stderr.contains("the file of a project cannot set"), "{key}: {ran:?}");
    }
    // Files of other directories have no effect.
    assert_eq!(sandbox.run("config").code, Some(0));
}

#[test]
fn a_recipe_may_have_the_name_of_the_file_and_a_variable_may_be_misspelt() {
    let sandbox = Sandbox::new();
    sandbox.write("goldsmith.yaml", format!("name: x\n{BASE}"));
    assert_eq!(sandbox.run("validate goldsmith.yaml").code, Some(0));
    let ran = sandbox.run("elements");
    assert!(ran.code == Some(10) && ran.stderr.contains("give a recipe another name"), "{ran:?}");
    std::fs::remove_file(sandbox.path("goldsmith.yaml")).expect("a file");
    let ran = sandbox.run_with("distros", &[("GOLDSMITH_CAHCE", "x")]);
    assert!(ran.code == Some(0) && ran.stderr.contains("did you mean $GOLDSMITH_CACHE?"), "{ran:?}");
}

#[test]
fn every_option_with_a_setting_is_there_and_the_schema_knows_the_keys() {
    let sandbox = Sandbox::new();
    let json = sandbox.run("config --json").last_json();
    let keys: Vec<_> = json["settings"].as_object().expect("settings").keys().cloned().collect();
    let schema: serde_json::Value = serde_json::from_str(&sandbox.run("schema config").stdout).expect("JSON");
    assert_eq!(schema["properties"].as_object().expect("keys").keys().cloned().collect::<Vec<_>>(), keys);
    let validator = jsonschema::validator_for(&schema).expect("a schema");
    for (text, good) in [
        (serde_json::json!({ "accel": "tcg", "jobs": 2, "mirrors": { "debian": "http://m/debian" } }), true),
        (serde_json::json!({ "acel": "tcg" }), false),
        (serde_json::json!({ "mirrors": { "debian": { "mian": "x" } } }), false),
    ] {
        assert_eq!(validator.is_valid(&text), good, "{text}");
    }
}

#[test]
fn a_remote_cache_is_a_setting_for_all_commands() {
    let sandbox = Sandbox::new();
    sandbox.write("x.yaml", format!("name: x\n{BASE}"));
    let list = |words: &str, env: &[(&str, &str)]| sandbox.run_with(&format!("cache ls --remote {words}"), env);
    let none = list("", &[]);
    assert!(none.code == Some(2) && none.stderr.contains("`remote-cache`"), "{none:?}");
    for name in ["shared", "other", "third"] {
        std::fs::create_dir(sandbox.path(name)).expect("a directory");
    }
    let dir = USER.rsplit_once('/').expect("a directory").0;
    sandbox.write(USER, "");
    assert_eq!(sandbox.run(&format!("cache keygen {dir}/layers.key")).code, Some(0));
    // Paths of a file begin in its directory.
    let key = "remote-cache-trust: [layers.key.pub]\n";
    sandbox.write(USER, format!("remote-cache: ../../../shared\n{key}"));
    let here = list("", &[]);
    assert_eq!((here.code, here.stdout.as_str()), (Some(0), "0 layers, 0 B\n"), "{here:?}");
    // Who is asked shows in what is missing.
    let env = [("GOLDSMITH_REMOTE_CACHE", "by-variable")];
    let variable = list("", &env);
    assert!(variable.code != Some(0) && variable.stderr.contains("by-variable"), "{variable:?}");
    let option = list("--remote-cache by-option", &env);
    assert!(option.code != Some(0) && option.stderr.contains("by-option"), "{option:?}");
    let shown = sandbox.run_with("config --show-origin", &env).stdout;
    assert!(shown.lines().any(|line| line.starts_with("remote-cache ") && line.contains("$GOLDSMITH_REMOTE_CACHE")));
    sandbox.write("goldsmith.yaml", "remote-cache: s3://by-project/x\n");
    let project = list("", &[]);
    assert!(project.code != Some(0) && project.stderr.contains("AWS_ACCESS_KEY_ID"), "a bucket has keys: {project:?}");
    assert_eq!(list("--remote-cache other", &[]).code, Some(0));

    // A project decides neither whom a user trusts nor which directory of this computer is read.
    sandbox.write(USER, "");
    let plan = sandbox.run("plan x.yaml --offline");
    let told = "the remote cache of the project (s3://by-project/x) is not used, because no key is trusted";
    assert!(plan.code == Some(11) && plan.stderr.contains(told), "the plan goes on: {plan:?}");
    let list = list("", &[]);
    assert!(list.code == Some(2) && list.stderr.contains("no key is trusted"), "{list:?}");
    for (text, told) in [
        ("remote-cache: shared\n", "cannot name `shared`"),
        ("remote-cache: file:///srv\n", "name a bucket"),
        ("remote-cache: oci://r.example.org/a?insecure=true\n", "cannot name `oci://r.example.org/a`"),
        (key, "the file of a project cannot set `remote-cache-trust`"),
        ("remote-cache-key: x\n", "the file of a project cannot set `remote-cache-key`"),
        ("remote-cache-write: true\n", "the file of a project cannot set `remote-cache-write`"),
    ] {
        sandbox.write("goldsmith.yaml", text);
        let ran = sandbox.run("validate x.yaml");
        assert!(ran.code != Some(0) && ran.stderr.contains(told), "{text}: {ran:?}");
    }
}
