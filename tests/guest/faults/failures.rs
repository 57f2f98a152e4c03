//! Steps that fail by themselves.

use rustix::process::{Signal, kill_process};

use super::sandbox::Sandbox;

/// Builds a recipe that fails, and returns what a person is told.
fn told(sandbox: &Sandbox, name: &str, keys: &str, code: i32) -> String {
    sandbox.recipe(name, keys);
    let (ended, stderr) = sandbox.run(&format!("build {name}.yaml"));
    assert_eq!(ended, Some(code), "{stderr}");
    sandbox.assert_clean();
    assert!(sandbox.path(&format!("out/{name}/build.log")).is_file(), "{stderr}");
    stderr.split_once("error: ").map(|(_, told)| format!("error: {told}")).unwrap_or(stderr)
}

#[test]
#[ignore = "needs libguestfs and a package mirror"]
fn a_script_that_fails_is_told_with_its_last_lines_and_where_the_rest_is() {
    let sandbox = Sandbox::with_base();
    let script = "for i in $(seq 40); do echo line $i; done; nosuchprogram";
    let keys = format!("steps: {{ configure: [{{ run: {{ inline: '{script}' }} }}] }}\n");
    insta::assert_snapshot!(told(&sandbox, "fails", &keys, 12));
    let log = std::fs::read_to_string(sandbox.path("out/fails/build.log")).unwrap();
    assert!(log.contains("| line 1\n") && log.contains("configure fails: failed after"), "{log}");
}

#[test]
#[ignore = "needs libguestfs and a package mirror"]
fn a_script_that_does_not_end_is_ended() {
    let sandbox = Sandbox::with_base();
    let script = "mkfifo /tmp/never; echo waiting; cat /tmp/never";
    let keys = format!("steps: {{ configure: [{{ run: {{ inline: '{script}', timeout: 3s }} }}] }}\n");
    insta::assert_snapshot!(told(&sandbox, "hangs", &keys, 12));
}

#[test]
#[ignore = "needs libguestfs and a package mirror"]
fn a_full_image_is_named_as_such() {
    let sandbox = Sandbox::with_base();
    let fill = "steps: { configure: [{ run: { inline: 'head -c 2G /dev/zero >/big' } }] }\n";
    let filters = vec![(r"[\d.]+ MiB are free", "[some] MiB are free"), (r"[\d.]+ MiB more", "[some] MiB more")];
    insta::with_settings!({filters => filters}, {
        insta::assert_snapshot!("by a script", told(&sandbox, "full", fill, 12));
        std::fs::write(sandbox.path("large"), vec![1; 96 << 20]).unwrap();
        let room = "fallocate -l $(($(stat -f -c %f*%S /) - 60000000)) /big";
        let keys = format!(
            "steps: {{ configure: [{{ run: {{ inline: '{room}' }} }}, {{ copy: {{ source: large, path: /srv/large }} }}] }}\n"
        );
        let said = told(&sandbox, "fuller", &keys, 12);
        // 96 MiB, of which about 57 fit.
        let missing: f64 = said.split(" MiB more").next().and_then(|it| it.rsplit(' ').next()).unwrap().parse().unwrap_or_else(|_| panic!("{said}"));
        assert!((30.0..60.0).contains(&missing), "{said}");
        insta::assert_snapshot!("by a copy", said);
    });
}

#[test]
#[ignore = "needs libguestfs and a package mirror"]
fn a_package_that_is_nowhere_names_who_wants_it() {
    let sandbox = Sandbox::without_base();
    sandbox.element("web", "packages: { debian: [ngnix-of-the-test] }\n");
    insta::assert_snapshot!(told(&sandbox, "wants", "elements: [web]\npackages: [crul-of-the-test]\n", 12));
}

#[test]
#[ignore = "needs libguestfs and a package mirror"]
fn the_end_of_qemu_is_told_and_costs_one_step() {
    let sandbox = Sandbox::with_base();
    sandbox.element("first", "steps:\n  configure:\n    - write: { path: /etc/first, content: first }\n");
    let keys = |script: &str| format!("elements: [first]\nsteps: {{ boot: [{{ run: {{ inline: '{script}' }} }}] }}\n");
    sandbox.recipe("dies", &keys("mkfifo /tmp/never; echo waiting; cat /tmp/never"));
    let mut run = sandbox.start("build dies.yaml");
    run.until_output("waiting");
    kill_process(sandbox.qemu(), Signal::KILL).unwrap();
    let ended = run.end();
    assert_eq!(ended.code, Some(12));
    sandbox.assert_clean();
    let failed = ended.events.last().unwrap();
    insta::assert_snapshot!(serde_json::to_string_pretty(failed).unwrap());

    sandbox.recipe("dies", &keys("true"));
    let ended = sandbox.start("build dies.yaml").end();
    assert_eq!(ended.code, Some(0), "{:#?}", ended.events.last());
    let made: Vec<_> = ended.events.iter().filter(|event| event["event"] == "step-started").collect();
    assert!(made.iter().all(|event| event["step"]["element"] != "first"), "{made:#?}");
}
