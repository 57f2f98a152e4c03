//! `goldsmith cache`, and places where no cache can be.

use std::os::unix::fs::PermissionsExt as _;

use super::sandbox::{Sandbox, assert_session};

#[test]
fn an_empty_cache() {
    let sandbox = Sandbox::new();
    let lines = [
        "cache ls",
        "cache ls --json",
        "cache verify",
        "cache verify --json",
        "cache gc",
        "cache gc --json",
        "cache gc --all",
        "cache gc --all --json",
        "cache gc --max-age 7d --max-size 1GiB --dry-run",
        "cache gc --max-age soon",
        "cache gc --max-size 3GB",
    ];
    assert_session!(sandbox, sandbox.session(&lines));
}

#[test]
fn what_is_damaged_is_found_and_removed() {
    let sandbox = Sandbox::new();
    let image = "a".repeat(64);
    sandbox.write("home/.cache/goldsmith/store.json", r#"{"version":1}"#);
    sandbox.write(&format!("home/.cache/goldsmith/images/{image}"), "not what its name says");
    let lines = [
        "cache verify",
        "cache verify --json",
        "cache verify --dry-run",
        "cache verify --repair --dry-run",
        "cache verify --repair --dry-run --json",
        "cache verify --repair",
        "cache verify",
    ];
    assert_session!(sandbox, sandbox.session(&lines));
}

#[test]
fn places_that_cannot_be_a_cache() {
    let sandbox = Sandbox::new();
    sandbox.write("file", "");
    sandbox.write("newer/store.json", "{\"version\":9}");
    let lines = [
        "cache ls --cache file",
        "cache ls --cache file/below",
        "cache ls --cache newer",
        "cache ls --json --cache file",
    ];
    assert_session!(sandbox, sandbox.session(&lines));

    let mut command = sandbox.command(env!("CARGO_BIN_EXE_goldsmith"));
    let ran = super::sandbox::Ran::from(command.env_remove("HOME").args(["cache", "ls"]).output().expect("it starts"));
    assert_eq!(ran.code, Some(11));
    insta::assert_snapshot!(ran.stderr, @r#"
    error: no place is known for the cache

    hint: set HOME, or give --cache DIR
    "#);
}

#[test]
fn a_cache_that_may_not_be_written_says_so() {
    let sandbox = Sandbox::new();
    std::fs::create_dir(sandbox.path("locked")).expect("a directory");
    std::fs::set_permissions(sandbox.path("locked"), std::fs::Permissions::from_mode(0o500)).expect("ours");
    // For root no permission is in the way, so the file system has to be.
    let place = if rustix::process::geteuid().is_root() { "/proc/goldsmith" } else { "locked/cache" };
    let ran = sandbox.run(&format!("cache ls --cache {place}"));
    assert_eq!(ran.code, Some(11), "{ran:?}");
    assert!(ran.stderr.contains("the layer cache is not accessible"), "{ran:?}");
    assert!(ran.stderr.contains(place) && ran.stderr.contains("hint: `--cache DIR`"), "{ran:?}");
}
