//! `goldsmith cache`, and places where no cache can be.

use std::collections::BTreeMap;
use std::fs::{self, File};
use std::os::unix::fs::PermissionsExt as _;
use std::path::{Path, PathBuf};
use std::time::{Duration, SystemTime};

use goldsmith::layer::{Parent, Store};

use super::sandbox::{Sandbox, assert_session};
use crate::store::{TestResult, directory, key, last_used, make, on};

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
    // How much of a disk an empty directory takes is the file system's matter.
    let size = regex::Regex::new(r"others .* in all").expect("a pattern");
    let session = sandbox.session(&lines);
    assert_session!(sandbox, size.replace_all(&session, "others [size]; [size] in all"));
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
fn a_dry_run_removes_nothing_and_names_what_goes() -> TestResult {
    let sandbox = Sandbox::new();
    let root = sandbox.path("home/.cache/goldsmith");
    let store = Store::open(&root)?;
    make(&store, "a", &Parent::None)?;
    make(&store, "bb", &on("a"))?;
    make(&store, "ccc", &on("a"))?;
    for (name, days) in [("a", 90), ("bb", 60), ("ccc", 1)] {
        last_used(&store, name, days)?;
    }
    fs::create_dir(directory(&store, "partial"))?;
    fs::write(directory(&store, "partial").join("disk.qcow2"), [1; 10_000])?;
    let (old, new) = ("0".repeat(64), "1".repeat(64));
    for (image, days) in [(&old, 60), (&new, 1)] {
        let time = SystemTime::now() - Duration::from_secs(days * 24 * 3600);
        fs::write(store.images_dir().join(image), [2; 5000])?;
        File::options().write(true).open(store.images_dir().join(image))?.set_modified(time)?;
    }
    drop(store);

    let before = content(&root);
    // How much of a disk a file takes is another matter for a copy.
    let size = regex::Regex::new(r" \([^)]*\);").expect("a pattern");
    for (rest, goes, stays) in [
        ("--max-age 30d", &["bb", &old][..], &["a", "ccc", &new][..]),
        ("--max-size 0GiB", &["a", "bb", "ccc", &old, &new], &[]),
        ("--all", &["a", "bb", "ccc", &old, &new], &[]),
    ] {
        let line = format!("cache gc {rest}");
        let would = sandbox.run(&format!("{line} --dry-run"));
        assert_eq!(would.code, Some(0), "{would:?}");
        let named = |name: &str| {
            let layer = format!("would remove layer {}: `configure {name}` of test, last used ", key(name).short());
            would.stdout.contains(&layer) || would.stdout.contains(&format!("would remove image {name}: "))
        };
        assert!(goes.iter().all(|name| named(name)) && !stays.iter().any(|name| named(name)), "{rest}: {would:?}");
        let json = sandbox.run(&format!("{line} --dry-run --json"));
        assert_eq!(content(&root), before, "{line}");

        // The same words, but for the verb, as those of who does it; a copy stays for the next line.
        let copy = sandbox.path("copy");
        goldsmith::process::capture(std::process::Command::new("cp").arg("-a").arg(&root).arg(&copy))?;
        let done = sandbox.run(&format!("{line} --cache copy"));
        let last = |text: &str| size.replace(text.lines().last().unwrap_or_default(), ";").into_owned();
        assert_eq!(last(&would.stdout), last(&done.stdout).replace("removed", "in all"), "{line}");
        let left = content(&copy);
        let is_left =
            |name: &&&str| left.keys().any(|path| path.ends_with(key(name).to_string()) || path.ends_with(name));
        assert_eq!(goes.iter().filter(is_left).count(), 0, "{line}: {left:?}");
        assert_eq!(stays.iter().filter(is_left).count(), stays.len(), "{line}: {left:?}");
        assert_eq!(
            json.last_json()["removed"].as_array().map(Vec::len),
            Some(done.stdout.matches("configure").count())
        );
        fs::remove_dir_all(&copy)?;
    }
    Ok(())
}

/// Every file below a directory with its content; nothing for a directory.
fn content(root: &Path) -> BTreeMap<PathBuf, Vec<u8>> {
    let mut found = BTreeMap::new();
    let mut left = vec![root.to_owned()];
    while let Some(dir) = left.pop() {
        for entry in fs::read_dir(&dir).expect("a directory") {
            let path = entry.expect("an entry").path();
            let name = path.strip_prefix(root).expect("below it").to_owned();
            let bytes = if path.is_dir() { Vec::new() } else { fs::read(&path).expect("a file") };
            if path.is_dir() {
                left.push(path);
            }
            found.insert(name, bytes);
        }
    }
    found
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
