//! Tests of the record of builds.

use std::path::Path;

use serde_json::json;

use super::list::described;
use super::record::{Ended, all, built, last_image, published};
use crate::digest::Sha256;
use crate::publish::{Operation, Outcome};

/// Writes an artifact and its manifest, as a build does.
fn artifacts(dir: &Path, name: &str, verified: Option<bool>) {
    std::fs::create_dir_all(dir).expect("a directory");
    let content = b"an image";
    std::fs::write(dir.join(format!("{name}.qcow2")), content).expect("a file");
    let mut manifest = json!({
        "name": name, "arch": "x86_64", "layer": Sha256::of(b"layer"),
        "distro": { "name": "debian", "release": "bookworm", "version": "12", "family": "debian" },
        "artifacts": [{ "file": format!("{name}.qcow2"), "format": "qcow2", "size": content.len(), "sha256": Sha256::of(content) }],
    });
    if let Some(passed) = verified {
        manifest["verified"] = json!({ "key": Sha256::of(b"key"), "passed": passed });
    }
    std::fs::write(dir.join("manifest.json"), manifest.to_string()).expect("a file");
}

fn outcome(place: &str) -> Outcome {
    let operation = Operation::Published { place: place.to_owned(), name: "web".to_owned(), image: None };
    Outcome { target: "glance mycloud".to_owned(), result: Ok(vec![operation]) }
}

#[test]
fn the_list_says_what_the_files_are_now() {
    let work = tempfile::tempdir().expect("a directory");
    let (cache, out) = (work.path().join("cache"), work.path().join("out"));
    let recipe = Path::new("web.yaml");
    let state = || described(&all(&cache)[0])[0].clone();
    artifacts(&out, "web", Some(true));
    built(&cache, ("web", recipe), &out, Ended::Built, &[]).expect("recorded");
    assert_eq!(state(), "verified");
    artifacts(&out, "web", Some(false));
    assert_eq!(state(), "not fit");
    artifacts(&out, "web", None);
    assert_eq!(state(), "not verified");
    built(&cache, ("web", recipe), &out, Ended::Failed, &[]).expect("recorded");
    assert_eq!(state(), "failed since");
    std::fs::write(out.join("web.qcow2"), "another image").expect("a file");
    assert_eq!(state(), "changed");
    std::fs::remove_file(out.join("web.qcow2")).expect("it is there");
    assert_eq!(state(), "gone");
    std::fs::remove_file(out.join("manifest.json")).expect("it is there");
    assert_eq!(state(), "failed");
}

#[test]
fn one_directory_has_one_record_and_keeps_its_publications() {
    let work = tempfile::tempdir().expect("a directory");
    let (cache, out) = (work.path().join("cache"), work.path().join("out"));
    let recipe = Path::new("web.yaml");
    built(&cache, ("web", recipe), &out, Ended::Built, &[outcome("one")]).expect("recorded");
    built(&cache, ("web", recipe), &out, Ended::Built, &[]).expect("recorded");
    published(&cache, &out, &[outcome("two"), outcome("one")]).expect("recorded");
    let records = all(&cache);
    assert_eq!(records.len(), 1);
    let places: Vec<_> = records[0].published.iter().map(|one| one.place.as_str()).collect();
    assert_eq!(places, ["two", "one"], "the latest is the last, and none is there twice");
    for number in 0..30 {
        published(&cache, &out, &[outcome(&number.to_string())]).expect("recorded");
    }
    assert_eq!(all(&cache)[0].published.len(), 20);
    // Another image in the same directory has other publications.
    built(&cache, ("db", recipe), &out, Ended::Built, &[]).expect("recorded");
    assert_eq!(all(&cache)[0].published, []);
    // Nothing is recorded about images that this cache has not built.
    published(&cache, &work.path().join("other"), &[outcome("x")]).expect("nothing to do");
    assert_eq!(all(&cache).len(), 1);
}

#[test]
fn the_last_image_is_the_last_that_is_there() {
    let work = tempfile::tempdir().expect("a directory");
    let cache = work.path().join("cache");
    let nothing = last_image(&cache).expect_err("nothing was built");
    assert!(nothing.message.starts_with("no disk image that was built with the cache"), "{nothing}");
    for name in ["one", "two"] {
        let dir = work.path().join(name);
        artifacts(&dir, name, None);
        built(&cache, (name, Path::new("x.yaml")), &dir, Ended::Built, &[]).expect("recorded");
    }
    assert_eq!(last_image(&cache).expect("an image"), work.path().join("two/two.qcow2"));
    std::fs::remove_dir_all(work.path().join("two")).expect("it is there");
    assert_eq!(last_image(&cache).expect("an image"), work.path().join("one/one.qcow2"));
    // A file that is no record is left out.
    std::fs::write(cache.join("builds/x.json"), "{").expect("a file");
    assert_eq!(all(&cache).len(), 2);
}

#[test]
fn a_record_is_private() {
    use std::os::unix::fs::PermissionsExt as _;
    let work = tempfile::tempdir().expect("a directory");
    built(work.path(), ("web", Path::new("web.yaml")), Path::new("out"), Ended::Built, &[]).expect("recorded");
    let files: Vec<_> = std::fs::read_dir(work.path().join("builds")).expect("a directory").flatten().collect();
    assert_eq!(files.len(), 1);
    assert_eq!(files[0].metadata().expect("a file").permissions().mode() & 0o777, 0o600);
    assert!(all(work.path())[0].dir.is_absolute() && all(work.path())[0].recipe.is_absolute());
}
