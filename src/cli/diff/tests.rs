//! Tests of the output of `goldsmith diff`, for people and for programs.

use std::collections::BTreeMap;
use std::io::Write as _;
use std::path::Path;

use serde_json::{Value, json};

use super::{json, render};
use crate::diff::{self, File, Ignored, Kind, Snapshot};
use crate::digest::Sha256;

/// An image of some files, whose content stands in the archive one behind the other.
fn snapshot(size: u64, system: Value, files: &[(&str, &str)]) -> Snapshot {
    let mut archive = tempfile::tempfile().expect("a temporary file");
    let mut offset = 0;
    let files = files.iter().map(|(path, content)| {
        archive.write_all(content.as_bytes()).expect("written");
        let directory = path.ends_with('/');
        let file = File {
            path: path.trim_end_matches('/').as_bytes().into(),
            kind: if directory { Kind::Directory } else { Kind::File },
            mode: if directory { 0o755 } else { 0o644 },
            uid: 0,
            gid: 0,
            size: content.len() as u64,
            target: None,
            device: None,
            sha256: (!directory).then(|| Sha256::of(content.as_bytes())),
            attributes: BTreeMap::new(),
            offset,
        };
        offset += content.len() as u64;
        file
    });
    let files = files.collect();
    Snapshot { size, system, files, archive, notes: Vec::new() }
}

fn before() -> Snapshot {
    let system = json!({
        "partition_table": {
            "kind": "gpt", "uuid": "d", "partitions": [{ "number": 1, "start": 1048576, "size": 1073741824, "uuid": "p" }],
        },
        "boot": { "firmware": ["bios", "uefi"], "loaders": [], "kernels": [], "default": { "args": ["ro"] } },
        "packages": [
            { "name": "nano", "version": "7.2-1", "arch": "amd64" },
            { "name": "openssh-server", "version": "1:9.2p1-2", "arch": "amd64" },
        ],
        "services": [{ "unit": "ssh.service", "state": "enabled", "wanted_by": ["multi-user.target"] }],
        "users": [{ "name": "root", "uid": 0, "logins": [], "sudo": "no" }],
    });
    let many: Vec<_> = (0..30).map(|number| format!("/srv/{number:02}")).collect();
    let mut files = vec![("/etc/", ""), ("/etc/issue", "Debian\n"), ("/etc/motd", "one\ntwo\nthree\n"), ("/srv/", "")];
    files.extend(many.iter().map(|path| (path.as_str(), "")));
    snapshot(3 << 30, system, &files)
}

fn after() -> Snapshot {
    let system = json!({
        "partition_table": {
            "kind": "gpt", "uuid": "d", "partitions": [{ "number": 1, "start": 1048576, "size": 1073741825, "uuid": "p" }],
        },
        "boot": { "firmware": ["uefi"], "loaders": [], "kernels": [], "default": { "args": ["ro", "quiet"] } },
        "packages": [
            { "name": "curl", "version": "7.88.1", "arch": "amd64" },
            { "name": "openssh-server", "version": "1:9.2p1-3", "arch": "amd64" },
        ],
        "services": [{ "unit": "ssh.service", "state": "masked", "wanted_by": [] }],
        "users": [{ "name": "root", "uid": 0, "logins": ["password"], "sudo": "no" }],
    });
    let files = [
        ("/etc/", ""),
        ("/etc/motd", "one\n2\nthree\nhidden\rshown\u{1b}[2J"),
        ("/etc/\u{1b}[31m\rodd", "x"),
        ("/opt/", ""),
        ("/opt/app/", ""),
        ("/opt/app/run", "#!/bin/sh\n"),
        ("/opt-in", ""),
        ("/srv/", ""),
    ];
    snapshot(4 << 30, system, &files)
}

/// Returns the output of `tell` about the difference between both images.
fn told<T>(tell: impl FnOnce(&diff::Difference<'_>, [(&Path, &Snapshot); 2]) -> T) -> T {
    let (before, after) = (before(), after());
    let difference = diff::compare(&before, &after, &Ignored::default());
    tell(&difference, [(Path::new("a.qcow2"), &before), (Path::new("b.vmdk"), &after)])
}

#[test]
fn people_see_counts_first_and_not_too_much() {
    insta::assert_snapshot!(told(|difference, images| render::text(difference, images, false)));
}

#[test]
fn all_is_shown_to_who_asks_for_it() {
    let (some, all) =
        told(|difference, images| (render::text(difference, images, false), render::text(difference, images, true)));
    assert!(some.lines().count() < all.lines().count());
    assert!(all.contains("/srv/29") && !all.contains("more"), "{all}");
}

#[test]
fn changed_lines_are_shown_without_what_a_terminal_would_obey() {
    let text = told(|difference, images| render::contents(difference, images, false).expect("the archives are there"));
    insta::assert_snapshot!(text);
}

#[test]
fn images_that_are_the_same_are_told_to_be() {
    let (a, b) = (before(), before());
    let difference = diff::compare(&a, &b, &Ignored::default());
    let text = render::text(&difference, [(Path::new("a"), &a), (Path::new("b"), &b)], false);
    assert_eq!(text, "a and b are the same: 2 packages, 34 files\n");
}

#[test]
fn programs_get_every_change_on_one_line() {
    let mut out = Vec::new();
    told(|difference, images| json::write(difference, images, true, &mut out)).expect("written");
    let text = String::from_utf8(out).expect("UTF-8");
    assert_eq!(text.lines().count(), 1);
    let mut value: Value = serde_json::from_str(&text).expect("JSON");
    let files = value["files"].as_array_mut().expect("a list");
    assert_eq!(files.len(), 37);
    files.retain(|file| !file["name"].as_str().is_some_and(|name| name.starts_with("/srv/")));
    insta::assert_snapshot!(format!("{value:#}"));
}
