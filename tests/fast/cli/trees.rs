//! Images that are published as files in a directory.

use std::process::Command;

use goldsmith::digest::Sha256;
use serde_json::json;

use super::sandbox::{Ran, Sandbox, names};

/// A directory as a build leaves it.
pub(crate) fn built(sandbox: &Sandbox, created: &str, content: &[u8]) {
    sandbox.write("out/gold/gold.qcow2", content);
    let manifest = json!({
        "format": 1, "name": "gold", "arch": "x86_64", "layer": Sha256::of(content), "created": created,
        "distro": { "name": "debian", "release": "bookworm", "version": "12", "family": "debian" },
        "artifacts": [
            { "file": "gold.qcow2", "format": "qcow2", "disk_format": "qcow2", "container_format": "bare",
              "size": content.len(), "sha256": Sha256::of(content) },
        ],
    });
    sandbox.write("out/gold/manifest.json", manifest.to_string());
}

#[test]
fn a_recipes_directory_gets_versions_and_goes_back() {
    let sandbox = Sandbox::new();
    let recipe = "name: gold\narch: x86_64\nbase: { bootstrap: { distro: debian, release: bookworm } }\n\
        publish: [{ directory: { path: ../tree, keep: 2 } }]\n";
    sandbox.write("recipes/gold.yaml", recipe);
    let run = |words: &str| sandbox.run(&format!("publish recipes/gold.yaml {words}"));
    for (day, content, removed) in [("19", "one", ""), ("20", "two", ""), ("21", "three", "20261119T100000Z")] {
        built(&sandbox, &format!("2026-11-{day}T10:00:00Z"), content.as_bytes());
        // A dry run says what will be done, and does nothing.
        let before = sandbox.path("tree").exists().then(|| names(&sandbox.path("tree/gold")));
        let would = run("--dry-run");
        assert_eq!(sandbox.path("tree").exists().then(|| names(&sandbox.path("tree/gold"))), before, "{would:?}");
        let ran = run("");
        assert_eq!((would.code, ran.code), (Some(0), Some(0)), "{would:?} {ran:?}");
        let tree = "recipes/../tree";
        let mut expected = format!("would publish {tree}/gold/202611{day}T100000Z\n");
        if !removed.is_empty() {
            expected += &format!("would remove {tree}/gold/{removed}: 2 are kept\n");
            assert!(ran.stdout.contains(&format!("{tree}/gold/{removed} is removed: 2 are kept")), "{ran:?}");
        }
        assert_eq!(would.stdout, expected);
    }
    let would = run("--dry-run");
    assert!(would.stdout.starts_with("gold was there before as ") && would.stdout.lines().count() == 1, "{would:?}");
    assert_eq!(names(&sandbox.path("tree/gold")), ["20261120T100000Z", "20261121T100000Z", "latest"]);
    let latest = || std::fs::read_to_string(sandbox.path("tree/gold/latest/gold.qcow2")).expect("a file");
    assert_eq!(latest(), "three");
    let sums = sandbox
        .command("sha256sum")
        .args(["--check", "--quiet", "SHA256SUMS"])
        .current_dir(sandbox.path("tree/gold/latest"))
        .status()
        .expect("sha256sum");
    assert!(sums.success());
    let again = run("--json").last_json();
    assert_eq!(again["operations"][0]["operation"], "already-there", "{again}");

    let back = run("--rollback");
    assert_eq!(back.code, Some(0), "{back:?}");
    assert!(
        back.stdout.contains("20261120T100000Z is promoted") && back.stdout.contains("20261121T100000Z is retired")
    );
    assert_eq!(latest(), "two");
    let index = std::fs::read_to_string(sandbox.path("tree/streams/v1/goldsmith:download.json")).expect("an index");
    assert!(index.contains("20261120T100000Z") && !index.contains("20261121T100000Z"), "{index}");
    // What was taken back does not come again because it is published again, and it is the first to go.
    let again = run("");
    assert!(again.stdout.contains("20261121T100000Z stays: it was rolled back"), "{again:?}");
    assert_eq!(latest(), "two");
    let further = run("--rollback");
    assert_eq!(further.code, Some(14), "{further:?}");
    assert!(further.stderr.contains("there is no image of `gold` before"), "{further:?}");

    built(&sandbox, "2026-11-22T10:00:00Z", b"four");
    let fourth = run("");
    assert!(fourth.stdout.contains("20261121T100000Z is removed"), "{fourth:?}");
    assert_eq!(latest(), "four");

    sandbox.write("tree/gold/.goldsmith-aB3dE6-latest", "half");
    sandbox.write("tree/gold/.goldsmith-src/main.rs", "the user's");
    let would = run("--cleanup --dry-run");
    assert_eq!(would.code, Some(0), "{would:?}");
    assert!(sandbox.path("tree/gold/.goldsmith-aB3dE6-latest").is_file(), "{would:?}");
    let cleaned = run("--cleanup");
    let of = |text: &str, head: &str, tail: &str| {
        let line = |line: &str| Some(line.strip_prefix(head)?.split_once(tail)?.0.to_owned());
        text.lines().map(|text| line(text).unwrap_or_else(|| panic!("{text}"))).collect::<Vec<_>>()
    };
    assert_eq!(of(&would.stdout, "would remove ", ": "), of(&cleaned.stdout, "", " is removed: "), "{would:?}");
    assert!(cleaned.stdout.contains(".goldsmith-aB3dE6-latest is removed"), "{cleaned:?}");
    assert!(sandbox.path("tree/gold/.goldsmith-src/main.rs").is_file(), "{cleaned:?}");
}

#[test]
fn what_is_wrong_is_told_before_anything_is_copied() {
    let sandbox = Sandbox::new();
    built(&sandbox, "2026-11-21T10:00:00Z", b"disk");
    sandbox.write("key", "no key");
    let check = |words: &str, code: i32, told: &str| {
        let Ran { code: ended, stderr, .. } = sandbox.run(&format!("publish out/gold --directory tree {words}"));
        assert_eq!(ended, Some(code), "{words}: {stderr}");
        assert!(stderr.contains(told), "{words}: {stderr}");
        assert!(!sandbox.path("tree/gold").exists(), "{words}");
    };
    check("--keep 0", 2, "at least one version stays");
    check("--format vmdk", 2, "no output is a vmdk file");
    check("--sign-openpgp me@example.org", 2, "a key is named by its fingerprint");
    check("--sign-openpgp 0123456789abcdef", 14, "gpg has no secret key 0123456789abcdef");
    check("--sign-minisign key", 14, "cannot use key as a secret key of minisign");
    check("--tag x", 2, "cannot be used with");
    check("--store x", 2, "cannot be used with");
    // The tree is where a file is.
    sandbox.write("tree", "a file");
    check("", 14, "cannot access tree");
    std::fs::remove_file(sandbox.path("tree")).expect("a file");
    std::fs::write(sandbox.path("out/gold/gold.qcow2"), "DISK").expect("a file");
    check("", 14, "gold.qcow2 is not what was built");
}

#[test]
fn what_has_no_target_goes_to_a_directory_unless_a_cloud_is_named() {
    let sandbox = Sandbox::new();
    built(&sandbox, "2026-11-21T10:00:00Z", b"disk");
    let ran = sandbox.run("publish out/gold --keep 1");
    assert!(ran.code == Some(0) && ran.stdout.contains("published/gold/20261121T100000Z"), "{ran:?}");
    for (words, env) in [("--visibility public", &[][..]), ("--os-cloud nobody", &[]), ("", &[("OS_CLOUD", "nobody")])]
    {
        let ran = sandbox.run_with(&format!("publish out/gold {words}"), env);
        assert!(ran.code == Some(2) && ran.stderr.contains("cloud"), "{words}: {ran:?}");
    }
}

#[test]
fn a_full_disk_leaves_nothing_half() {
    let sandbox = Sandbox::new();
    let disk: Vec<u8> = (0_u32..1 << 20).flat_map(|number| number.wrapping_mul(2_654_435_761).to_le_bytes()).collect();
    built(&sandbox, "2026-11-21T10:00:00Z", &disk);
    std::fs::create_dir(sandbox.path("tree")).expect("a directory");
    // A small file system of its own, which ends with the shell.
    let script = "mount -t tmpfs -o size=3m tmpfs tree && \"$0\" publish out/gold --directory tree; code=$?; \
        find tree -mindepth 1; exit $code";
    let mut unshare: Command = sandbox.command("unshare");
    unshare.args(["--user", "--map-root-user", "--mount", "sh", "-c", script, env!("CARGO_BIN_EXE_goldsmith")]);
    let ran = Ran::from(unshare.output().expect("unshare of util-linux"));
    assert_eq!(ran.code, Some(14), "{ran:?}");
    assert!(ran.stderr.contains("free") && ran.stderr.contains("`keep`"), "{ran:?}");
    assert_eq!(ran.stdout, "tree/.goldsmith.lock\n");
}
