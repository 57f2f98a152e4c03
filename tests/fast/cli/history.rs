//! `goldsmith ls`, `goldsmith log` and `goldsmith run --last`, on files as a build leaves them.

use super::sandbox::Sandbox;

/// A log as a build writes it.
const LOG: &str = "2026-11-30T10:00:00.000Z build of web: 3 steps
2026-11-30T10:00:00.001Z base debian trixie: cached
2026-11-30T10:00:00.002Z start the guest: started
2026-11-30T10:00:01.000Z start the guest: done in 1.0 s
2026-11-30T10:00:01.001Z configure sshd: started
2026-11-30T10:00:01.002Z | configure web: started
2026-11-30T10:00:02.000Z configure sshd: done in 1.0 s
2026-11-30T10:00:02.001Z configure web: started (action 1 (run x.sh) changed)
2026-11-30T10:00:02.002Z | hello \u{1b}[2J
2026-11-30T10:00:03.000Z configure web: failed after 1.0 s
2026-11-30T10:00:03.001Z clean sshd: cached
";

/// A sandbox with the log of a build into `out/web`, which its cache has recorded.
fn sandbox() -> Sandbox {
    let sandbox = Sandbox::new();
    let dir = sandbox.path("out/web");
    sandbox.write("out/web/build.log", LOG);
    let record = serde_json::json!({
        "name": "web", "dir": dir, "recipe": sandbox.path("web.yaml"), "ended": "2026-11-30T10:00:03Z", "result": "failed",
        "published": [{ "time": "2026-11-29T10:00:00Z", "target": "glance mycloud", "name": "web", "place": "4711" }],
    });
    assert_eq!(sandbox.run("cache ls").code, Some(0), "the cache is made");
    sandbox.write("home/.cache/goldsmith/builds/0.json", record.to_string());
    sandbox
}

#[test]
fn nothing_was_built_yet() {
    let sandbox = Sandbox::new();
    let listed = sandbox.run("ls");
    assert_eq!(listed.code, Some(0), "{listed:?}");
    assert!(listed.stdout.starts_with("no build with the cache "), "{listed:?}");
    assert_eq!(sandbox.run("ls --json").last_json(), serde_json::json!([]));
    for (words, told) in [
        ("log", "name the directory of the artifacts"),
        ("log web", "`goldsmith ls` lists what was built"),
        ("run --last", "no disk image that was built with the cache"),
        ("run", "IMAGE"),
        ("run --last x.qcow2", "cannot be used with"),
    ] {
        let ran = sandbox.run(words);
        assert_eq!(ran.code, Some(2), "{ran:?}");
        assert!(ran.stderr.contains(told), "{words}: {ran:?}");
    }
}

#[test]
fn builds_are_listed_with_where_they_were_published() {
    let sandbox = sandbox();
    let listed = sandbox.run("ls");
    assert_eq!(listed.code, Some(0), "{listed:?}");
    let line = listed.stdout.lines().nth(1).expect("a line");
    let cells: Vec<_> = line.split_whitespace().collect();
    let dir = sandbox.path("out/web").display().to_string();
    assert_eq!(cells, ["web", "2026-11-30T10:00:03Z", "failed", "-", "-", &dir]);
    assert!(
        listed.stdout.ends_with("\npublished:\n2026-11-29T10:00:00Z  web as 4711 at glance mycloud\n"),
        "{listed:?}"
    );
    let json = sandbox.run("ls web --json").last_json();
    assert_eq!((&json[0]["result"], &json[0]["published"][0]["place"]), (&"failed".into(), &"4711".into()), "{json}");
    assert_eq!(sandbox.run("ls db --json").last_json(), serde_json::json!([]));
}

#[test]
fn the_log_is_shown_whole_or_of_one_step() {
    let sandbox = sandbox();
    let whole = sandbox.run("log");
    assert_eq!(whole.stdout.lines().count(), LOG.lines().count(), "{whole:?}");
    assert!(!whole.stdout.contains('\u{1b}'), "{whole:?}");
    for words in ["log web", "log out/web"] {
        assert_eq!(sandbox.run(words).stdout, whole.stdout, "{words}");
    }
    let texts = |words: &str| {
        let ran = sandbox.run(words);
        assert_eq!(ran.code, Some(0), "{ran:?}");
        ran.stdout.lines().map(|line| line.split_once(' ').expect("a time").1.to_owned()).collect::<Vec<_>>()
    };
    let sshd =
        ["configure sshd: started", "| configure web: started", "configure sshd: done in 1.0 s", "clean sshd: cached"];
    assert_eq!(texts("log --step sshd"), sshd);
    let web = texts("log --step web");
    assert!(
        web.len() == 3 && web[0].starts_with("configure web: started") && web[2] == "configure web: failed after 1.0 s",
        "{web:?}"
    );
    let json = sandbox.run("log --step web --json").last_json();
    assert_eq!(
        json,
        serde_json::json!({ "time": "2026-11-30T10:00:03.000Z", "text": "configure web: failed after 1.0 s" })
    );
    let unknown = sandbox.run("log --step sshdd");
    assert_eq!(unknown.code, Some(2), "{unknown:?}");
    assert!(unknown.stderr.contains("did you mean `sshd`?"), "{unknown:?}");
    // A step by its whole name: its words are one.
    let ended = sandbox
        .command(env!("CARGO_BIN_EXE_goldsmith"))
        .args(["log", "--step", "configure sshd"])
        .output()
        .expect("it runs");
    assert_eq!(String::from_utf8_lossy(&ended.stdout).lines().count(), 3);
}
