//! Garbage collection, verification, repair, explanation.

use std::fs::{self, File};
use std::time::Duration;

use goldsmith::digest::Sha256;
use goldsmith::interrupt::Interrupt;
use goldsmith::layer::{Extra, GcPolicy, NewLayer, Parent, Problem, Store, StoreError, Subject};

use super::{
    SIZE, TestResult, about, directory, flip_byte, hit, ingredients, key, last_used, make, miss, on, scratch, tool,
};

#[test]
fn base_images_carry_layers() -> TestResult {
    let (_scratch, mut store) = scratch()?;
    let image = store.images_dir().join("new");
    tool("qemu-img", &["create", "-q", "-f", "qcow2", "-o", "size=1M"], &image)?;
    let qcow2 = Sha256::of_file(&image)?;
    fs::rename(&image, store.images_dir().join(qcow2.to_string()))?;
    fs::write(&image, vec![7; 1 << 20])?;
    let raw = Sha256::of_file(&image)?;
    fs::rename(&image, store.images_dir().join(format!("{raw}.raw")))?;

    make(&store, "a", &Parent::Image(qcow2, qcow2.to_string()))?;
    make(&store, "bb", &Parent::Image(raw, format!("{raw}.raw")))?;
    assert_eq!(store.verify(&Interrupt::new(), &mut |_, _| {})?, []);
    for name in ["image.qcow2", &format!("../{qcow2}"), &format!("{qcow2}.vmdk"), &raw.to_string()] {
        let error = miss(&store, "ccc")?.create_overlay(&Parent::Image(qcow2, name.to_owned()), SIZE);
        assert!(matches!(error, Err(StoreError::ImageName(_))), "{name}");
    }
    let gone = Sha256::of(b"gone");
    let error = miss(&store, "ccc")?.create_overlay(&Parent::Image(gone, gone.to_string()), SIZE);
    assert!(matches!(error, Err(StoreError::Parent { .. })));

    fs::write(store.images_dir().join(format!("{gone}.part")), "half")?;
    fs::create_dir(store.images_dir().join("not of the store"))?;
    flip_byte(&store.images_dir().join(format!("{raw}.raw")), 5000)?;
    let findings = store.verify(&Interrupt::new(), &mut |_, _| {})?;
    assert_eq!(findings.len(), 1, "{findings:?}");
    assert_eq!(findings[0].subject, Subject::Image(format!("{raw}.raw")));
    assert_eq!(store.would_repair(&findings)?, [key("bb")]);
    assert!(store.find(&key("bb"))?.is_some(), "nothing is removed");
    assert_eq!(store.repair(&findings)?, [key("bb")]);
    assert!(store.find(&key("bb"))?.is_none());

    let report = store.gc(GcPolicy { max_age: Some(Duration::ZERO), ..GcPolicy::default() })?;
    assert_eq!(report.images_removed.len(), 2, "{report:?}");
    assert_eq!(fs::read_dir(store.images_dir())?.count(), 1);
    Ok(())
}

#[test]
fn garbage_is_what_no_kept_layer_needs() -> TestResult {
    let (_scratch, mut store) = scratch()?;
    make(&store, "a", &Parent::None)?;
    make(&store, "bb", &on("a"))?;
    make(&store, "ccc", &on("a"))?;
    for (name, days) in [("a", 90), ("bb", 60), ("ccc", 1)] {
        last_used(&store, name, days)?;
    }
    fs::create_dir(directory(&store, "partial"))?;
    fs::write(directory(&store, "partial").join("disk.qcow2"), [1; 10_000])?;
    let month = GcPolicy { max_age: Some(Duration::from_secs(30 * 24 * 3600)), ..GcPolicy::default() };

    let other = Store::open(store.root())?;
    assert!(matches!(store.gc(month), Err(StoreError::Busy { .. })));
    let promised = store.gc(GcPolicy { dry_run: true, ..month })?;
    assert_eq!(store.list()?.len(), 4, "a dry run removes nothing");
    drop(other);
    let slot = miss(&store, "dddd")?;
    assert!(matches!(store.gc(month), Err(StoreError::Busy { .. })));
    drop(slot);

    let report = store.gc(month)?;
    assert_eq!(report.removed.iter().map(|info| info.key).collect::<Vec<_>>(), [key("bb")]);
    assert_eq!((report.kept, report.partial_removed), (2, 1));
    assert!(report.freed_bytes >= 10_000);
    assert_eq!((promised.kept, promised.freed_bytes), (report.kept, report.freed_bytes));
    hit(&store, "a")?;
    hit(&store, "ccc")?;
    assert!(!directory(&store, "bb").exists() && !directory(&store, "partial").exists());

    // The store is shared again afterwards.
    drop(Store::open(store.root())?);
    let report = store.gc(GcPolicy { all: true, ..GcPolicy::default() })?;
    assert_eq!(report.removed.iter().map(|info| info.key).collect::<Vec<_>>(), [key("ccc"), key("a")]);
    assert_eq!(fs::read_dir(store.root().join("layers"))?.count(), 0);
    Ok(())
}

#[test]
fn a_hit_is_a_use() -> TestResult {
    let (_scratch, store) = scratch()?;
    make(&store, "a", &Parent::None)?;
    make(&store, "bb", &Parent::None)?;
    last_used(&store, "a", 5)?;
    last_used(&store, "bb", 3)?;
    let order = || Ok::<_, StoreError>(store.list()?.into_iter().map(|info| info.key).collect::<Vec<_>>());
    assert_eq!(order()?, [key("bb"), key("a")]);
    store.find(&key("a"))?;
    assert_eq!(order()?, [key("bb"), key("a")], "looking is no use");
    hit(&store, "a")?;
    assert_eq!(order()?, [key("a"), key("bb")]);
    Ok(())
}

#[test]
fn verify_finds_what_is_damaged() -> TestResult {
    let (_scratch, mut store) = scratch()?;
    for name in ["a", "bb", "ccc", "dddd"] {
        make(&store, name, &Parent::None)?;
    }
    make(&store, "eeeee", &on("bb"))?;
    let mut slot = miss(&store, "backing")?;
    slot.create_overlay(&on("a"), SIZE)?;
    let elsewhere = directory(&store, "a").join("disk.qcow2").to_string_lossy().into_owned();
    tool("qemu-img", &["rebase", "-u", "-f", "qcow2", "-F", "qcow2", "-b", &elsewhere], slot.disk_path())?;
    slot.commit(about("backing"))?;
    let slot = miss(&store, "structure")?;
    fs::write(slot.disk_path(), "no qcow2 at all")?;
    slot.commit(about("structure"))?;
    let mut seen = Vec::new();
    let before = store.verify(&Interrupt::new(), &mut |done, total| seen.push((done, total)))?;
    assert_eq!(before.len(), 2, "{before:?}");
    assert!(seen.is_sorted() && seen.last().is_some_and(|(done, total)| done == total), "{seen:?}");

    flip_byte(&directory(&store, "bb").join("disk.qcow2"), 300_000)?;
    flip_byte(&directory(&store, "ccc").join("key.json"), 3)?;
    File::options().write(true).open(directory(&store, "dddd").join("disk.qcow2"))?.set_len(7)?;
    let findings = store.verify(&Interrupt::new(), &mut |_, _| {})?;
    let problem = |name: &str| {
        findings.iter().find(|finding| finding.subject == Subject::Layer(key(name))).map(|finding| &finding.problem)
    };
    assert_eq!(problem("a"), None);
    assert!(matches!(problem("bb"), Some(Problem::Content { .. })));
    assert_eq!(problem("ccc"), Some(&Problem::Ingredients));
    assert_eq!(problem("dddd"), Some(&Problem::Incomplete));
    assert_eq!(problem("eeeee"), None, "its own files are whole, and its parent claims to be");
    assert_eq!(problem("backing"), Some(&Problem::Backing { found: Some(elsewhere) }));
    assert!(matches!(problem("structure"), Some(Problem::Structure(_))));

    let mut expected = ["bb", "ccc", "dddd", "eeeee", "backing", "structure"].map(key);
    expected.sort_unstable();
    assert_eq!(store.would_repair(&findings)?, expected);
    assert_eq!(store.repair(&findings)?, expected);
    assert_eq!(store.verify(&Interrupt::new(), &mut |_, _| {})?, []);
    assert_eq!(store.list()?.len(), 1);
    Ok(())
}

#[test]
fn verify_finds_extracted_files_that_are_changed_or_missing() -> TestResult {
    let (_scratch, store) = scratch()?;
    for name in ["whole", "changed", "missing"] {
        let mut slot = miss(&store, name)?;
        slot.create_overlay(&Parent::None, SIZE)?;
        let file = slot.disk_path().with_file_name(Extra::Kernel.file());
        fs::write(file, "a kernel")?;
        slot.commit(NewLayer { extras: vec![Extra::Kernel], ..about(name) })?;
    }
    assert_eq!(store.verify(&Interrupt::new(), &mut |_, _| {})?, []);
    flip_byte(&directory(&store, "changed").join("vmlinuz"), 2)?;
    fs::remove_file(directory(&store, "missing").join("vmlinuz"))?;
    let findings = store.verify(&Interrupt::new(), &mut |_, _| {})?;
    let mut found: Vec<_> = findings.iter().map(|finding| (&finding.subject, &finding.problem)).collect();
    found.sort_by_key(|(subject, _)| **subject != Subject::Layer(key("changed")));
    let subjects = ["changed", "missing"].map(|name| Subject::Layer(key(name)));
    let problem = Problem::Extra { file: "vmlinuz" };
    assert_eq!(found, [(&subjects[0], &problem), (&subjects[1], &problem)]);
    Ok(())
}

#[test]
fn verify_ends_when_the_user_asks_for_it() -> TestResult {
    let (_scratch, store) = scratch()?;
    make(&store, "a", &Parent::None)?;
    let interrupt = Interrupt::new();
    interrupt.raise();
    assert!(matches!(store.verify(&interrupt, &mut |_, _| {}), Err(StoreError::Interrupted)));
    Ok(())
}

/// An error of the disk is no interruption.
#[test]
fn what_cannot_be_read_ends_verify() -> TestResult {
    let (_scratch, store) = scratch()?;
    make(&store, "a", &Parent::None)?;
    let (disk, meta) = (directory(&store, "a").join("disk.qcow2"), directory(&store, "a").join("layer.json"));
    let size = fs::metadata(&disk)?.len();
    fs::remove_file(&disk)?;
    fs::create_dir(&disk)?;
    let of_directory = fs::metadata(&disk)?.len();
    let (old, new) = (format!("\"size\":{size}"), format!("\"size\":{of_directory}"));
    let text = fs::read_to_string(&meta)?.replace("\"size\": ", "\"size\":");
    assert!(text.contains(&old), "{text}");
    fs::write(&meta, text.replace(&old, &new))?;
    let error = store.verify(&Interrupt::new(), &mut |_, _| {}).expect_err("a directory cannot be read");
    assert!(!matches!(error, StoreError::Interrupted) && format!("{error:?}").contains("disk.qcow2"), "{error:?}");
    Ok(())
}

#[test]
fn a_miss_is_explained_by_the_nearest_earlier_layer() -> TestResult {
    let (_scratch, store) = scratch()?;
    assert_eq!(store.explain(&ingredients("b"), "configure a", "test"), None);
    make(&store, "a", &Parent::None)?;
    // A store compares with the layers that it had at the first question.
    let store = Store::open(store.root())?;
    let explain = |step: &str, image: &str, name: &str| store.explain(&ingredients(name), step, image);
    let changed = "action 1 (hostname a) is now: hostname b";
    for (step, image, name, words) in [
        ("configure a", "test", "b", Some(changed.to_owned())),
        ("configure a", "other", "b", Some(format!("unlike in test: {changed}"))),
        ("configure a", "test", "a", Some("the layer made earlier is damaged or its parent is missing".into())),
        ("configure z", "test", "b", None),
    ] {
        assert_eq!(explain(step, image, name), words, "{step}, {image}, {name}");
    }
    // The layers are read for the first question only, however many steps a plan has.
    fs::remove_file(directory(&store, "a").join("layer.json"))?;
    assert_eq!(explain("configure a", "test", "b"), Some(changed.to_owned()));
    Ok(())
}
