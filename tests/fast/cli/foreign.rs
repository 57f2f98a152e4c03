//! Files of the user in places where goldsmith works: all of them are there afterwards, whatever their names are.

use std::collections::BTreeMap;
use std::os::unix::fs::{MetadataExt as _, PermissionsExt};
use std::path::{Path, PathBuf};

use goldsmith::digest::Sha256;
use serde_json::json;

use super::sandbox::{BASE, Ran, Sandbox};

/// Names that goldsmith's own things have, had, or could have.
const LIKELY: [&str; 14] = [
    "goldsmith-src/.git/config",
    "goldsmith-vm/disk.qcow2",
    ".goldsmith-notes",
    ".goldsmith-notes.d/list",
    ".goldsmith-aB3dE6",
    ".goldsmith-aB3dE6.d/gold.qcow2",
    ".goldsmith/config",
    "verify-a/report",
    "bootstrap-b/tree/etc/passwd",
    "inspect-c/disk.raw",
    "gold.qcow2.part",
    "build.log.part",
    "work/SHA512SUMS",
    "tmp/x",
];

/// Every file below a directory: its inode, its mode and its content. A file that was replaced has another inode.
type Files = BTreeMap<PathBuf, (u64, u32, Vec<u8>)>;

fn files(dir: &Path, found: &mut Files) {
    for entry in std::fs::read_dir(dir).expect("a directory") {
        let path = entry.expect("an entry").path();
        let metadata = path.symlink_metadata().expect("it is there");
        if metadata.is_dir() {
            files(&path, found);
        } else {
            let content = std::fs::read(&path).expect("readable");
            found.insert(path, (metadata.ino(), metadata.mode(), content));
        }
    }
}

/// A place of the user's with files in it, some of which no command must touch.
fn prepare(sandbox: &Sandbox) -> Files {
    let mut foreign = Files::new();
    for place in ["tmp", "out/gold", "out/x", "tree/gold", "tree/streams/v1", "home/.cache/goldsmith/tmp", "photos"] {
        for name in LIKELY {
            sandbox.write(&format!("{place}/{name}"), format!("{place} {name}"));
        }
        files(&sandbox.path(place), &mut foreign);
    }
    let cache = "home/.cache/goldsmith";
    let others = [
        format!("{cache}/images/holiday.jpg"),
        format!("{cache}/layers/notes/list"),
        "photos/images/beach.jpg".to_owned(),
        "photos/layers/sky.psd".to_owned(),
        "keys/id_ed25519".to_owned(),
        "keys/id_ed25519.pub".to_owned(),
        "tree/gold/20261101T100000Z/letters/first".to_owned(),
        "other/manifest.json".to_owned(),
        "sums/SHA512SUMS".to_owned(),
        "sums/SHA256SUMS".to_owned(),
        "logs/build.log".to_owned(),
        "reports/report.html".to_owned(),
        "reports/junit.xml".to_owned(),
    ];
    for name in others {
        sandbox.write(&name, &name);
        let path = sandbox.path(&name);
        let metadata = path.metadata().expect("it is there");
        foreign.insert(path, (metadata.ino(), metadata.mode(), name.into_bytes()));
    }
    sandbox.write(&format!("{cache}/store.json"), r#"{"version":1}"#);
    sandbox.write("disk.raw", {
        let mut disk = vec![0; 1 << 20];
        disk[510..512].copy_from_slice(&[0x55, 0xaa]);
        disk
    });
    sandbox.write("text.raw", "not found\n");
    sandbox.write("x.yaml", format!("name: x\narch: x86_64\n{BASE}"));
    sandbox.write("out/gold/gold.qcow2", b"disk");
    let manifest = json!({
        "format": 1, "name": "gold", "arch": "x86_64", "layer": Sha256::of(b"disk"), "created": "2026-11-21T10:00:00Z",
        "distro": { "name": "debian", "release": "bookworm", "version": "12", "family": "debian" },
        "artifacts": [{ "file": "gold.qcow2", "format": "qcow2", "disk_format": "qcow2", "container_format": "bare",
            "size": 4, "sha256": Sha256::of(b"disk") }],
    });
    sandbox.write("out/gold/manifest.json", manifest.to_string());
    foreign
}

#[test]
fn no_command_touches_files_that_goldsmith_has_not_made() {
    let sandbox = Sandbox::new();
    let foreign = prepare(&sandbox);
    let run = |words: &str| -> Ran {
        let mut command = sandbox.command(env!("CARGO_BIN_EXE_goldsmith"));
        command.args(words.split_whitespace()).output().expect("it starts").into()
    };
    let check = |after: &str| {
        for (path, (inode, mode, content)) in &foreign {
            let metadata =
                path.symlink_metadata().unwrap_or_else(|error| panic!("{after}: {}: {error}", path.display()));
            let now = (metadata.ino(), metadata.mode(), std::fs::read(path).expect("readable"));
            assert_eq!(now, (*inode, *mode, content.clone()), "{after}: {}", path.display());
        }
    };
    check("nothing");
    for (words, code) in [
        ("plan x.yaml --offline", 11),
        ("build x.yaml --offline", 11),
        ("build x.yaml --offline --out photos", 11),
        ("build x.yaml --dry-run --offline", 11),
        ("validate x.yaml", 0),
        ("convert disk.raw out/x/disk.qcow2", 0),
        ("convert disk.raw out/x/disk.qcow2 --force", 0),
        ("convert disk.raw tree/gold/disk.vmdk", 0),
        ("inspect --header disk.raw", 0),
        ("inspect text.raw", 10),
        ("verify text.raw", 10),
        ("diff text.raw text.raw", 10),
        ("run text.raw", 10),
        ("run disk.raw --keep keys", 2),
        ("run disk.raw --keep photos", 2),
        ("publish out/gold --directory tree --keep 1", 0),
        ("publish out/gold --directory tree --keep 1", 0),
        ("publish out/gold --directory tree --cleanup --older-than 0s", 0),
        ("publish out/gold --directory tree --rollback", 14),
        ("cache ls", 0),
        ("cache gc --all", 0),
        ("cache gc --max-age 0s --max-size 1KiB", 0),
        ("cache verify --repair", 0),
        ("cache ls --cache photos", 2),
        ("cache gc --all --cache photos", 2),
        ("cache verify --repair --cache photos", 2),
        ("inspect text.raw --cache photos", 2),
        ("elements", 0),
        ("images list", 2),
    ] {
        let ran = run(words);
        assert_eq!(ran.code, Some(code), "{words}: {ran:?}");
        check(words);
    }
}

#[test]
fn a_directory_that_others_write_to_is_no_cache() {
    let sandbox = Sandbox::new();
    std::fs::create_dir(sandbox.path("open")).expect("a directory");
    std::fs::set_permissions(sandbox.path("open"), PermissionsExt::from_mode(0o777)).expect("a mode");
    for words in ["cache ls --cache open", "inspect text.raw --cache open", "plan x.yaml --cache open"] {
        sandbox.write("x.yaml", format!("name: x\narch: x86_64\n{BASE}"));
        sandbox.write("text.raw", "not found\n");
        let ran = sandbox.run(words);
        assert_eq!(ran.code, Some(2), "{words}: {ran:?}");
        assert!(ran.stderr.contains("chmod 700 ") && ran.stderr.contains("mode 777"), "{words}: {ran:?}");
        assert_eq!(super::sandbox::names(&sandbox.path("open")), [""; 0], "{words}");
    }
}
