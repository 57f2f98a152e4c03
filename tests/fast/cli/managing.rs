//! `goldsmith images list`, `promote` and `delete` for images that were published to a directory.

use goldsmith::digest::Sha256;
use serde_json::json;

use super::sandbox::{Ran, Sandbox, names};
use super::trees::built;

/// A directory with three versions, of which the last two have passed their checks, and the last is promoted.
fn sandbox() -> Sandbox {
    let sandbox = Sandbox::new();
    for (day, content) in [("19", "one"), ("20", "two"), ("21", "three")] {
        built(&sandbox, &format!("2026-11-{day}T10:00:00Z"), content.as_bytes());
        if day != "19" {
            let manifest = std::fs::read_to_string(sandbox.path("out/gold/manifest.json")).expect("a manifest");
            let mut manifest: serde_json::Value = serde_json::from_str(&manifest).expect("JSON");
            manifest["verified"] = json!({ "key": Sha256::of(b"x"), "passed": true });
            sandbox.write("out/gold/manifest.json", manifest.to_string());
        }
        assert_eq!(sandbox.run("publish out/gold --directory tree").code, Some(0));
    }
    sandbox
}

const FIRST: &str = "gold/20261119T100000Z";
const SECOND: &str = "gold/20261120T100000Z";
const THIRD: &str = "gold/20261121T100000Z";

fn run(sandbox: &Sandbox, words: &str) -> Ran {
    sandbox.run(&format!("images {words} --directory tree"))
}

fn latest(sandbox: &Sandbox) -> Option<String> {
    std::fs::read_to_string(sandbox.path("tree/gold/latest/gold.qcow2")).ok()
}

fn index(sandbox: &Sandbox) -> String {
    std::fs::read_to_string(sandbox.path("tree/streams/v1/goldsmith:download.json")).expect("an index")
}

/// Runs a command that must be refused, and must change nothing.
fn refused(sandbox: &Sandbox, words: &str, told: &[&str]) {
    let before = (names(&sandbox.path("tree/gold")), latest(sandbox), index(sandbox));
    let ran = run(sandbox, words);
    assert_eq!(ran.code, Some(2), "{words}: {ran:?}");
    for told in told {
        assert!(ran.stderr.contains(told), "{words}: {told}: {ran:?}");
    }
    assert_eq!((names(&sandbox.path("tree/gold")), latest(sandbox), index(sandbox)), before, "{words}");
}

#[test]
fn the_images_of_a_directory_are_listed_newest_first() {
    let sandbox = sandbox();
    let listed = run(&sandbox, "list");
    assert_eq!((listed.code, listed.stderr.as_str()), (Some(0), ""), "{listed:?}");
    let lines: Vec<Vec<_>> = listed.stdout.lines().map(|line| line.split_whitespace().collect()).collect();
    assert_eq!(lines[0], ["ID", "STATUS", "CHECKS", "FORMAT", "SIZE", "CREATED"]);
    assert_eq!(lines[1][..4], [THIRD, "promoted", "passed", "qcow2"]);
    assert_eq!(lines[2][..4], [SECOND, "-", "passed", "qcow2"]);
    assert_eq!(lines[3][..4], [FIRST, "-", "-", "qcow2"]);
    assert_eq!(run(&sandbox, "ls").stdout, listed.stdout, "`ls` is `list`");
    assert_eq!(run(&sandbox, "list --name gold --limit 1").stdout.lines().count(), 2);
    assert_eq!(run(&sandbox, "list --name silver").stdout, "no image\n");
    let listed = run(&sandbox, "list --json").last_json();
    assert_eq!((&listed[0]["id"], &listed[0]["promoted"]), (&json!(THIRD), &json!(true)), "{listed}");
    assert_eq!(listed[2]["manifest"]["artifacts"][0]["file"], "gold.qcow2", "{listed}");
    // Somebody may only read the directory: a list makes no lock in it.
    std::fs::create_dir(sandbox.path("empty")).expect("a directory");
    assert_eq!(sandbox.run("images list --directory empty").stdout, "no image\n");
    assert_eq!(names(&sandbox.path("empty")), Vec::<String>::new());
}

#[test]
fn a_version_is_promoted_unless_that_looks_like_a_mistake() {
    let sandbox = sandbox();
    refused(&sandbox, &format!("promote {SECOND}"), &["gold/20261121T100000Z is newer", "`--allow-older`"]);
    refused(
        &sandbox,
        &format!("promote {FIRST} --allow-older"),
        &["has not passed its checks", "`--allow-unverified`"],
    );
    refused(&sandbox, "promote gold", &["`gold` has 3 versions", THIRD, "promoted", "by its id"]);
    refused(&sandbox, "promote gold/20270101T000000Z", &["there is no image `gold/20270101T000000Z` in tree"]);
    let ran = run(&sandbox, &format!("promote {SECOND} --allow-older"));
    assert_eq!(ran.stdout, format!("{SECOND} is promoted\n{THIRD} is retired\n"), "{ran:?}");
    assert_eq!(latest(&sandbox).as_deref(), Some("two"));
    assert!(!index(&sandbox).contains("20261121T100000Z"), "clients would take the newest version of the index");
    let again = run(&sandbox, &format!("promote {SECOND}"));
    assert_eq!((again.code, again.stdout), (Some(0), format!("{SECOND} was promoted already\n")));

    // What was rolled back stays so, until somebody says otherwise.
    assert_eq!(run(&sandbox, &format!("promote {THIRD}")).code, Some(0));
    assert_eq!(sandbox.run("publish out/gold --directory tree --rollback").code, Some(0));
    refused(&sandbox, &format!("promote {THIRD}"), &["was rolled back", "`--allow-rolled-back`"]);
    let ran = run(&sandbox, &format!("promote {THIRD} --allow-rolled-back --json")).last_json();
    assert_eq!((&ran["id"], &ran["retired"]), (&json!(THIRD), &json!(SECOND)), "{ran}");
    assert_eq!(latest(&sandbox).as_deref(), Some("three"));
    let again = sandbox.run("publish out/gold --directory tree");
    assert!(!again.stdout.contains("rolled back"), "{again:?}");
}

#[test]
fn versions_are_deleted_as_a_dry_run_says() {
    let sandbox = sandbox();
    refused(&sandbox, &format!("delete {FIRST} {THIRD}"), &["is promoted", "`--promoted`", "images promote"]);
    refused(&sandbox, &format!("delete {FIRST} gold/20270101T000000Z"), &["there is no image"]);
    refused(&sandbox, &format!("delete {FIRST} --store slow"), &["only for images of a cloud"]);
    let before = names(&sandbox.path("tree/gold"));
    let would = run(&sandbox, &format!("delete {FIRST} {SECOND} --dry-run"));
    assert_eq!(would.code, Some(0), "{would:?}");
    let lines: Vec<_> = would.stdout.lines().collect();
    assert!(lines[0].starts_with(&format!("would remove {FIRST}: qcow2, ")), "{would:?}");
    assert!(lines[1].starts_with(&format!("would remove {SECOND}: qcow2, ")) && lines.len() == 2, "{would:?}");
    assert_eq!(names(&sandbox.path("tree/gold")), before);
    let ran = run(&sandbox, &format!("delete {FIRST} {SECOND} {FIRST}"));
    assert_eq!(ran.stdout, format!("{FIRST} is deleted\n{SECOND} is deleted\n"), "{ran:?}");
    assert_eq!(names(&sandbox.path("tree/gold")), ["20261121T100000Z", "latest"]);
    assert!(index(&sandbox).contains("20261121T100000Z") && !index(&sandbox).contains("20261119T100000Z"));

    // The promoted version goes only if that is said, and with the last version the image.
    refused(&sandbox, "delete gold", &["is promoted"]);
    let would = run(&sandbox, "delete gold --promoted --dry-run");
    assert!(would.stdout.contains("it is promoted, and nothing is after that"), "{would:?}");
    let ran = run(&sandbox, "delete gold --promoted --json").last_json();
    assert_eq!(ran["removed"][0]["id"], THIRD, "{ran}");
    assert!(!sandbox.path("tree/gold").exists());
    assert!(!index(&sandbox).contains("20261121T100000Z"));
    assert_eq!(run(&sandbox, "list").stdout, "no image\n");
}

#[test]
fn what_was_rolled_back_leaves_no_folder_when_it_is_deleted() {
    let sandbox = sandbox();
    assert_eq!(sandbox.run("publish out/gold --directory tree --rollback").code, Some(0));
    assert!(run(&sandbox, "list").stdout.contains("rolled back"));
    let ran = run(&sandbox, &format!("delete {THIRD} {FIRST} {SECOND} --promoted"));
    assert_eq!(ran.code, Some(0), "{ran:?}");
    assert!(!sandbox.path("tree/gold").exists(), "{:?}", names(&sandbox.path("tree/gold")));
}

#[test]
fn what_others_have_put_there_is_not_deleted() {
    let sandbox = sandbox();
    sandbox.write("tree/gold/20261119T100000Z/notes/mine", "the user's");
    let ran = run(&sandbox, &format!("delete {FIRST}"));
    assert!(ran.code == Some(14) && ran.stderr.contains("was not published by goldsmith"), "{ran:?}");
    assert!(sandbox.path("tree/gold/20261119T100000Z/notes/mine").is_file());
    // An index of another program would be replaced.
    sandbox.write("tree/streams/v1/index.json", "{}");
    let ran = run(&sandbox, &format!("delete {SECOND}"));
    assert!(ran.code == Some(14) && ran.stderr.contains("was not published by goldsmith"), "{ran:?}");
    // A signed index would be out of date.
    let sandbox = self::sandbox();
    std::fs::copy(sandbox.path("tree/streams/v1/index.json"), sandbox.path("tree/streams/v1/index.sjson"))
        .expect("a file");
    refused(&sandbox, &format!("delete {FIRST} --dry-run"), &["is signed", "--sign-openpgp KEY"]);
    refused(&sandbox, &format!("promote {SECOND} --allow-older"), &["is signed"]);
}

#[test]
fn places_and_commands_that_do_not_fit_are_told() {
    let sandbox = sandbox();
    for (words, code, told) in [
        ("images list --directory nowhere", 2, "there is no directory nowhere"),
        ("images list --directory out/gold/gold.qcow2", 2, "it is there, and is no directory"),
        ("images list --directory tree --tag x", 2, "--tag is only for images of a cloud"),
        ("images show gold --directory tree", 2, "only for images of a cloud"),
        ("images list --directory tree --s3 s3://b", 2, "cannot be used with"),
        ("images list --os-cloud x --directory tree", 2, "cannot be used with"),
        ("images list --s3 tree", 2, "names no bucket"),
        ("images list --s3 http://x", 2, "is no address of a bucket"),
        ("images list --s3 s3://b", 2, "AWS_ACCESS_KEY_ID"),
        ("images promote gold", 2, "name the place by --directory or --s3"),
        ("images delete gold --sign-openpgp 0123456789abcdef", 2, "a cloud has no index"),
        ("images promote gold --directory tree --sign-openpgp 0123456789abcdef", 14, "gpg has no secret key"),
    ] {
        let ran = sandbox.run(words);
        assert_eq!(ran.code, Some(code), "{words}: {ran:?}");
        assert!(ran.stderr.contains(told), "{words}: {ran:?}");
    }
}
