use std::num::NonZeroUsize;
use std::os::unix::fs::{MetadataExt as _, PermissionsExt as _};
use std::sync::Arc;

use serde_json::Value;

use super::super::image_version::ImageVersion;
use super::super::image_version::tests::built;
use super::super::publication::{Placed, Publication, TreeOptions, publish};
use super::super::sign::Signer;
use super::super::sign::tests::{minisign_key, openpgp};
use super::super::storage::Storage as _;
use std::fs;
use std::path::Path;

use super::super::error::TreeError;
use super::super::image_version::Entry;
use super::storage::LOCK;
use super::*;
use crate::digest::Sha256;
use crate::event::Silent;
use crate::fsx::{FileLock, allocated_bytes};
use crate::interrupt::Interrupt;
use crate::workdir::WorkDir;

const DAYS: [&str; 3] = ["2026-11-19T10:00:00Z", "2026-11-20T10:00:00Z", "2026-11-21T10:00:00Z"];
const VERSIONS: [&str; 3] = ["20261119T100000Z", "20261120T100000Z", "20261121T100000Z"];

/// A build beside a tree.
struct Scratch {
    dir: tempfile::TempDir,
    tree: Directory,
    interrupt: Interrupt,
}

impl Scratch {
    fn new() -> Self {
        let dir = tempfile::tempdir().expect("a directory");
        let tree = Directory::new(dir.path().join("tree"));
        Self { dir, tree, interrupt: Interrupt::new() }
    }

    fn build(&self, image: &str, day: usize) -> ImageVersion {
        let out = self.dir.path().join("out");
        // Some of it is a hole.
        let content = [format!("disk of day {day}").into_bytes(), vec![0; 3 << 20], b"end".to_vec()].concat();
        built(&out, image, DAYS[day], &content);
        ImageVersion::read(&out, &[]).expect("an image version")
    }

    fn publish(&self, image_version: &ImageVersion, wanted: &TreeOptions) -> Result<Placed, TreeError> {
        publish(&self.tree, image_version, wanted, &(Arc::new(Silent) as _), &self.interrupt)
    }

    /// Lists everything below the tree but the lock: paths with inode, mode, modification time and link targets.
    fn listing(&self) -> Vec<String> {
        fn walk(dir: &Path, found: &mut Vec<String>) {
            for entry in fs::read_dir(dir).into_iter().flatten() {
                let path = entry.expect("an entry").path();
                let meta = fs::symlink_metadata(&path).expect("metadata");
                let link = fs::read_link(&path).unwrap_or_default();
                let times = (!meta.is_dir()).then(|| (meta.ino(), meta.mtime_nsec()));
                found.push(format!("{} {:o} {times:?} {}", path.display(), meta.mode(), link.display()));
                if meta.is_dir() {
                    walk(&path, found);
                }
            }
        }
        let mut found = Vec::new();
        walk(&self.tree.root, &mut found);
        found.retain(|line| !line.contains(LOCK));
        found.sort();
        found
    }

    fn json(&self, path: &str) -> Value {
        serde_json::from_slice(&fs::read(self.tree.at(path)).expect("a file")).expect("it is JSON")
    }

    /// Versions that the index has of an image.
    fn indexed(&self, image: &str) -> Vec<String> {
        let products = self.json("streams/v1/goldsmith:download.json");
        let versions = &products["products"][format!("goldsmith:{image}:12:amd64")]["versions"];
        versions.as_object().map(|versions| versions.keys().cloned().collect()).unwrap_or_default()
    }
}

fn keep(count: usize) -> TreeOptions {
    TreeOptions { keep: NonZeroUsize::new(count), ..TreeOptions::default() }
}

#[test]
fn what_is_published_is_there_once() {
    let scratch = Scratch::new();
    let image_version = scratch.build("gold", 0);
    let placed = scratch.publish(&image_version, &TreeOptions::default()).expect("it is published");
    assert_eq!((placed.folder.as_str(), placed.before), ("gold/20261119T100000Z", false));
    let latest = scratch.tree.at("gold/latest");
    for entry in &image_version.files {
        let file = latest.join(&entry.name);
        assert_eq!(Sha256::of_file(&file).expect("a file"), entry.sha256, "{}", entry.name);
        assert_eq!(file.metadata().expect("a file").mode() & 0o777, 0o644);
    }
    // The tree can be moved: nothing in it is an absolute path.
    assert_eq!(fs::read_link(&latest).expect("a link"), Path::new(VERSIONS[0]));
    assert_eq!(latest.metadata().expect("a folder").mode() & 0o777, 0o755);
    let disk = latest.join("gold.qcow2").metadata().expect("a file");
    assert!(allocated_bytes(&disk) < disk.len() / 2, "holes are filled");
    assert_eq!(scratch.indexed("gold"), [VERSIONS[0]]);

    let listing = scratch.listing();
    let again = scratch.publish(&scratch.build("gold", 0), &keep(1)).expect("it is there");
    assert!(again.before && again.removed.is_empty());
    assert_eq!(scratch.listing(), listing);
    // A damaged file is replaced.
    fs::write(latest.join("SHA256SUMS"), "damaged").expect("a file");
    assert!(!scratch.publish(&image_version, &TreeOptions::default()).expect("it is published").before);
    assert_eq!(fs::read(latest.join("SHA256SUMS")).expect("a file"), image_version.sums());
}

#[test]
fn as_many_versions_stay_as_are_wanted() {
    let scratch = Scratch::new();
    scratch.publish(&scratch.build("silver", 0), &keep(1)).expect("it is published");
    for day in [0, 1] {
        scratch.publish(&scratch.build("gold", day), &TreeOptions::default()).expect("it is published");
    }
    // None of these is a version, so all of them stay.
    for folder in ["gold/mine", "gold/20261118T100000Z"] {
        fs::create_dir_all(scratch.tree.at(folder)).expect("a folder");
    }
    let placed = scratch.publish(&scratch.build("gold", 2), &keep(2)).expect("it is published");
    assert_eq!(placed.removed, [VERSIONS[0]]);
    let mut folders = scratch.tree.folders("gold").expect("folders");
    folders.sort();
    assert_eq!(folders, ["20261118T100000Z", VERSIONS[1], VERSIONS[2], "mine"]);
    assert_eq!(scratch.indexed("gold"), VERSIONS[1..]);
    assert_eq!(scratch.indexed("silver"), VERSIONS[..1]);
}

#[test]
fn an_older_version_takes_the_place_of_a_newer_one_only_where_that_is_said() {
    let scratch = Scratch::new();
    scratch.publish(&scratch.build("gold", 1), &keep(1)).expect("it is published");
    let listing = scratch.listing();
    let refused = scratch.publish(&scratch.build("gold", 0), &keep(1)).expect_err("a newer one is there");
    let TreeError::Newer { version, newer, .. } = &refused else { panic!("{refused}") };
    assert_eq!([version, newer], [VERSIONS[0], VERSIONS[1]]);
    assert_eq!(scratch.listing(), listing);
    let allowed = TreeOptions { allow_older: true, ..keep(1) };
    let placed = scratch.publish(&scratch.build("gold", 0), &allowed).expect("it is published");
    assert_eq!((placed.promoted, placed.removed), (true, Vec::new()), "the newer one is not too old");
    assert_eq!(scratch.tree.latest("gold").expect("a link").as_deref(), Some(VERSIONS[0]));
    assert_eq!(scratch.indexed("gold"), VERSIONS[..1], "clients of the index take the newest version");
    // The next run removes both.
    let placed = scratch.publish(&scratch.build("gold", 2), &keep(1)).expect("it is published");
    assert_eq!(placed.removed, VERSIONS[..2]);
}

#[test]
fn what_goes_wrong_leaves_everything_as_it_was() {
    for before in [false, true] {
        let scratch = Scratch::new();
        if before {
            scratch.publish(&scratch.build("gold", 0), &TreeOptions::default()).expect("it is published");
        } else {
            fs::create_dir_all(&scratch.tree.root).expect("a directory");
        }
        let listing = scratch.listing();
        let image_version = scratch.build("gold", 1);
        // Same size, other content.
        let out = scratch.dir.path().join("out/gold.tar");
        fs::write(&out, "TAR").expect("a file");
        let error = scratch.publish(&image_version, &keep(1)).expect_err("it is not what was built");
        assert!(matches!(error, TreeError::Differs { .. }), "{error}");
        assert_eq!(scratch.listing(), listing);
        fs::write(&out, "tar").expect("a file");

        // The copy notices the other content.
        let interrupted = |files: &[Entry]| {
            let interrupt = Interrupt::new();
            scratch.tree.put(&image_version.folder(), files, &|_| interrupt.raise(), &interrupt)
        };
        assert!(matches!(interrupted(&image_version.files), Err(TreeError::Interrupted)));
        assert_eq!(scratch.listing(), listing);

        // If the index cannot be written, everything before it is undone.
        let index = scratch.tree.at("streams/v1/index.json");
        let text = fs::read(&index).ok();
        let _ = fs::remove_file(&index);
        fs::create_dir_all(index.join("in-the-way")).expect("a folder");
        let error = scratch.publish(&image_version, &keep(1)).expect_err("the index is in the way");
        // If it cannot be restored either, the error says so.
        assert!(matches!(error, TreeError::Half { .. }), "{error}");
        assert!(!scratch.tree.at(&image_version.folder()).exists());
        let latest = scratch.tree.latest("gold").expect("a link");
        assert_eq!(latest.as_deref(), before.then_some(VERSIONS[0]));
        fs::remove_dir_all(&index).expect("a folder");
        if let Some(text) = text {
            fs::write(&index, text).expect("a file");
        }
        assert_eq!(
            scratch.publish(&image_version, &keep(1)).expect("it is published").removed.len(),
            usize::from(before)
        );
    }
}

#[test]
fn a_publication_can_be_taken_back() {
    let scratch = Scratch::new();
    scratch.publish(&scratch.build("gold", 0), &TreeOptions::default()).expect("it is published");
    let (latest, products) = (scratch.tree.latest("gold").expect("a link"), scratch.indexed("gold"));
    let (image_version, wanted, reporter) = (scratch.build("gold", 1), keep(1), Arc::new(Silent) as _);
    let mut publication = Publication::upload(&scratch.tree, &image_version, &wanted, &reporter, &scratch.interrupt)
        .expect("it is there");
    assert_eq!(scratch.tree.latest("gold").expect("a link"), latest);
    publication.promote(&scratch.interrupt).expect("it is promoted");
    assert_eq!(scratch.indexed("gold"), [VERSIONS[1]]);
    // Another run waits for the end.
    assert!(FileLock::try_exclusive(&scratch.tree.at(LOCK)).expect("a lock").is_none());
    publication.roll_back().expect("it is taken back");
    assert_eq!((scratch.tree.latest("gold").expect("a link"), scratch.indexed("gold")), (latest, products));
    assert_eq!(scratch.tree.folders("gold").expect("folders"), [VERSIONS[0]]);
}

#[test]
fn leftovers_of_killed_runs_are_removed_and_files_of_others_stay() {
    let scratch = Scratch::new();
    fs::create_dir_all(scratch.tree.at("gold")).expect("a folder");
    let work = WorkDir::within(&scratch.tree.at("gold")).expect("a work directory");
    let died = work.path().with_file_name("died");
    fs::create_dir_all(died.join("version")).expect("a folder");
    for entry in fs::read_dir(work.path()).expect("a folder") {
        let marker = entry.expect("the marker");
        fs::copy(marker.path(), died.join(marker.file_name())).expect("a file");
    }
    fs::create_dir_all(scratch.tree.at("streams/v1")).expect("a folder");
    fs::write(scratch.tree.at("streams/v1/.goldsmith-aB3dE6-index.json"), "half").expect("a file");
    for foreign in ["gold/.goldsmith-src", "gold/.goldsmith-notes", "streams/v1/.goldsmith-abc"] {
        fs::create_dir_all(scratch.tree.at(foreign)).expect("a folder");
        fs::write(scratch.tree.at(foreign).join("file"), "the user's").expect("a file");
    }
    scratch.publish(&scratch.build("gold", 0), &TreeOptions::default()).expect("it is published");
    assert!(!died.exists() && !scratch.tree.at("streams/v1/.goldsmith-aB3dE6-index.json").exists());
    for foreign in ["gold/.goldsmith-src", "gold/.goldsmith-notes", "streams/v1/.goldsmith-abc"] {
        assert_eq!(fs::read(scratch.tree.at(foreign).join("file")).expect("it stays"), b"the user's");
    }
}

#[test]
fn a_folder_that_only_has_the_name_of_a_version_is_not_replaced() {
    let scratch = Scratch::new();
    let image_version = scratch.build("gold", 0);
    let folder = scratch.tree.at(&image_version.folder());
    fs::create_dir_all(folder.join("letters")).expect("a folder");
    fs::write(folder.join("letters/first"), "dear").expect("a file");
    let error = scratch.publish(&image_version, &TreeOptions::default()).expect_err("it is somebody's folder");
    assert!(matches!(error, TreeError::Foreign { .. }), "{error:?}");
    assert_eq!(fs::read(folder.join("letters/first")).expect("it stays"), b"dear");
}

#[test]
fn the_index_of_another_program_is_not_replaced() {
    let scratch = Scratch::new();
    let index = scratch.tree.at("streams/v1/index.json");
    fs::create_dir_all(index.parent().expect("a folder")).expect("a folder");
    let theirs = r#"{"format":"index:1.0","index":{"com.example:download":{}}}"#;
    fs::write(&index, theirs).expect("a file");
    let error = scratch.publish(&scratch.build("gold", 0), &TreeOptions::default()).expect_err("it is somebody's tree");
    assert!(matches!(&error, TreeError::Foreign { path } if path.ends_with("streams/v1/index.json")), "{error}");
    assert!(!scratch.tree.at("gold").exists(), "nothing was copied");
    assert_eq!(fs::read_to_string(&index).expect("it stays"), theirs);
}

#[test]
fn checksums_and_index_are_signed() {
    let scratch = Scratch::new();
    let (home, key) = (scratch.dir.path().join("gpg"), scratch.dir.path().join("key"));
    fs::create_dir(&home).expect("a directory");
    fs::set_permissions(&home, fs::Permissions::from_mode(0o700)).expect("a directory");
    let fingerprint = openpgp(&home);
    minisign_key(&key, None);
    let signers = || {
        let openpgp = Signer::openpgp(&fingerprint, Some(home.clone()), scratch.dir.path()).expect("a key");
        vec![openpgp, Signer::minisign(&key, None).expect("a key")]
    };
    let image_version = scratch.build("gold", 0);
    assert!(!scratch.publish(&image_version, &TreeOptions::default()).expect("it is published").before);
    let wanted = TreeOptions { signers: signers(), ..TreeOptions::default() };
    // The version was there, but not signed.
    assert!(!scratch.publish(&image_version, &wanted).expect("it is published").before);
    let listing = scratch.listing();
    assert!(scratch.publish(&image_version, &wanted).expect("it is there").before);
    assert_eq!(scratch.listing(), listing);
    for (signer, file) in wanted.signers.iter().zip(["SHA256SUMS.asc", "SHA256SUMS.minisig"]) {
        let signature = fs::read(scratch.tree.at("gold/latest").join(file)).expect("a signature");
        assert!(signer.verifies(image_version.sums(), &signature).expect("it is looked at"), "{file}");
    }
    let Signer::OpenPgp(openpgp) = &wanted.signers[0] else { panic!("{wanted:?}") };
    let index = fs::read(scratch.tree.at("streams/v1/index.sjson")).expect("a file");
    let index = openpgp.verified(&index).expect("gpg").expect("it is signed");
    assert!(String::from_utf8_lossy(&index).contains("streams/v1/goldsmith:download.sjson"));
    // Without the key the signed index would be out of date, or be gone.
    let listing = scratch.listing();
    let error = scratch.publish(&scratch.build("gold", 1), &TreeOptions::default()).expect_err("nobody signs it");
    assert!(matches!(error, TreeError::SignedIndex(_)), "{error}");
    assert_eq!(scratch.listing(), listing);
    for file in ["index.sjson", "goldsmith:download.sjson"] {
        fs::remove_file(scratch.tree.at("streams/v1").join(file)).expect("a file");
    }
    scratch.publish(&scratch.build("gold", 2), &TreeOptions::default()).expect("it is published");
    let _ = std::process::Command::new("gpgconf").arg("--homedir").arg(&home).args(["--kill", "all"]).status();
}
