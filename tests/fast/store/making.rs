//! Finding, claiming and committing layers.

use std::fs::{self, File};
use std::os::unix::fs::PermissionsExt as _;
use std::path::Path;
use std::process::Command;
use std::sync::mpsc;
use std::time::{Duration, Instant};

use goldsmith::digest::Sha256;
use goldsmith::interrupt::Interrupt;
use goldsmith::layer::{LayerState, Lookup, Parent, Store, StoreError};
use serde_json::json;

use super::{SIZE, TestResult, about, directory, hit, key, make, miss, on, scratch, write_pattern};

/// Where the child process of a test finds the store.
const CHILD_STORE: &str = "GOLDSMITH_TEST_STORE";

#[test]
fn a_layer_is_found_again_as_it_was_made() -> TestResult {
    let (_scratch, store) = scratch()?;
    assert!(store.find(&key("a"))?.is_none());
    make(&store, "a", &Parent::None)?;
    let made = make(&store, "bb", &on("a"))?;
    let found = Store::open(store.root())?.find(&key("bb"))?.ok_or("not found")?;

    assert_eq!(found.disk, directory(&store, "bb").join("disk.qcow2"));
    assert_eq!(found.meta.sha256, Sha256::of_file(&found.disk)?);
    assert_eq!(found.meta.sha256, made.meta.sha256);
    assert_eq!(found.meta.size, fs::metadata(&found.disk)?.len());
    assert_eq!(found.meta.parent, Some(key("a")));
    assert_eq!(found.meta.step, "configure bb");
    assert_eq!(Sha256::of_file(&directory(&store, "bb").join("key.json"))?, *key("bb").digest());
    let header = fs::read(&found.disk)?;
    let backing = format!("../{}/disk.qcow2", key("a"));
    assert!(header.windows(backing.len()).any(|window| window == backing.as_bytes()));
    assert_eq!(fs::metadata(store.root())?.permissions().mode() & 0o777, 0o700);
    Ok(())
}

#[test]
fn a_moved_store_is_whole() -> TestResult {
    let (scratch, store) = scratch()?;
    make(&store, "a", &Parent::None)?;
    make(&store, "bb", &on("a"))?;
    let moved = scratch.path().join("moved");
    fs::rename(store.root(), &moved)?;
    assert_eq!(Store::open(&moved)?.verify(&Interrupt::new(), &mut |_, _| {})?, []);
    Ok(())
}

#[test]
fn stores_that_are_not_understood_are_refused() -> TestResult {
    for (text, words) in [
        (r#"{"version":2}"#, "has format 2, and this goldsmith knows formats up to 1"),
        (r#"{"version":0}"#, "there is no version 0"),
        ("rubbish", "is damaged"),
        ("", "is damaged"),
    ] {
        let (_scratch, store) = scratch()?;
        fs::write(store.root().join("store.json"), text)?;
        let error = Store::open(store.root()).err().ok_or(text)?.to_string();
        assert!(error.contains(words), "{error}");
    }
    Ok(())
}

#[test]
fn a_slot_that_is_dropped_leaves_nothing() -> TestResult {
    let (_scratch, store) = scratch()?;
    let mut slot = miss(&store, "a")?;
    slot.create_overlay(&Parent::None, SIZE)?;
    assert!(slot.disk_path().exists());
    drop(slot);
    assert_eq!(fs::read_dir(store.root().join("layers"))?.count(), 0);
    assert_eq!(store.list()?.len(), 0);
    Ok(())
}

/// A claim that says when it has to wait.
fn claim_that_waits(
    sender: &mpsc::Sender<&'static str>,
    root: &Path,
    interrupt: &Interrupt,
) -> Result<Lookup, StoreError> {
    let store = Store::open(root)?;
    store.claim(&key("a"), interrupt, &mut || sender.send("waiting").expect("the test listens"))
}

#[test]
fn whoever_comes_second_gets_what_the_first_made() -> TestResult {
    let (_scratch, store) = scratch()?;
    let mut slot = miss(&store, "a")?;
    let (sender, receiver) = mpsc::channel();
    std::thread::scope(|scope| {
        let others: Vec<_> = (0..3)
            .map(|_| {
                let (sender, root) = (sender.clone(), store.root());
                scope.spawn(move || claim_that_waits(&sender, root, &Interrupt::new()))
            })
            .collect();
        for _ in &others {
            assert_eq!(receiver.recv(), Ok("waiting"));
        }
        slot.create_overlay(&Parent::None, SIZE)?;
        let made = slot.commit(about("a"))?;
        for other in others {
            match other.join().expect("no panic")? {
                Lookup::Hit(layer) => assert_eq!(layer.meta.sha256, made.meta.sha256),
                Lookup::Miss(_) => panic!("made twice"),
            }
        }
        // Each said only once that it waits.
        assert!(receiver.try_recv().is_err());
        Ok(())
    })
}

#[test]
fn whoever_waits_takes_over_when_the_first_gives_up() -> TestResult {
    let (_scratch, store) = scratch()?;
    let slot = miss(&store, "a")?;
    let (sender, receiver) = mpsc::channel();
    std::thread::scope(|scope| {
        let (root, sender) = (store.root(), &sender);
        let work = move || -> Result<bool, StoreError> {
            let store = Store::open(root)?;
            match store.claim(&key("a"), &Interrupt::new(), &mut || sender.send(()).expect("the test listens"))? {
                Lookup::Hit(_) => Ok(false),
                Lookup::Miss(mut slot) => {
                    slot.create_overlay(&Parent::None, SIZE)?;
                    slot.commit(about("a"))?;
                    Ok(true)
                }
            }
        };
        let others = [scope.spawn(work), scope.spawn(work), scope.spawn(work)];
        for _ in &others {
            receiver.recv()?;
        }
        drop(slot);
        let mut makers = 0;
        for other in others {
            makers += usize::from(other.join().expect("no panic")?);
        }
        assert_eq!(makers, 1);
        Ok(())
    })
}

#[test]
fn a_wait_ends_when_the_user_asks_for_it() -> TestResult {
    let (_scratch, store) = scratch()?;
    let _slot = miss(&store, "a")?;
    let interrupt = Interrupt::new();
    let (sender, receiver) = mpsc::channel();
    std::thread::scope(|scope| {
        let other = scope.spawn(|| claim_that_waits(&sender, store.root(), &interrupt));
        receiver.recv()?;
        let raised = Instant::now();
        interrupt.raise();
        assert!(matches!(other.join().expect("no panic"), Err(StoreError::Interrupted)));
        assert!(raised.elapsed() < Duration::from_secs(1));
        Ok(())
    })
}

#[test]
fn an_interrupted_build_claims_nothing() -> TestResult {
    let (_scratch, store) = scratch()?;
    make(&store, "made", &Parent::None)?;
    let interrupt = Interrupt::new();
    interrupt.raise();
    for name in ["made", "new"] {
        assert!(matches!(store.claim(&key(name), &interrupt, &mut || {}), Err(StoreError::Interrupted)), "{name}");
    }
    assert!(!directory(&store, "new").exists());
    Ok(())
}

#[test]
fn a_killed_process_leaves_a_store_that_works() -> TestResult {
    let (_scratch, store) = scratch()?;
    make(&store, "a", &Parent::None)?;
    let mut child = Command::new(std::env::current_exe()?)
        .args(["store::making::child_that_is_killed", "--exact", "--ignored"])
        .env(CHILD_STORE, store.root())
        .stdout(std::process::Stdio::null())
        .spawn()?;
    let signal = store.root().join("held");
    let deadline = Instant::now() + Duration::from_secs(60);
    while !signal.exists() && Instant::now() < deadline && child.try_wait()?.is_none() {
        std::thread::sleep(Duration::from_millis(20));
    }
    let state = |name| Ok::<_, StoreError>(store.list()?.into_iter().find(|i| i.key == key(name)).map(|i| i.state));
    let before = state("bb");
    child.kill()?;
    child.wait()?;
    assert_eq!(before?, Some(LayerState::Making));
    assert_eq!(state("bb")?, Some(LayerState::Partial));

    assert!(store.find(&key("bb"))?.is_none());
    let mut slot = miss(&store, "bb")?;
    let left: Vec<_> = fs::read_dir(directory(&store, "bb"))?.map(|entry| entry.map(|e| e.file_name())).collect();
    assert_eq!(left.len(), 1, "only the lock: {left:?}");
    slot.create_overlay(&on("a"), SIZE)?;
    slot.commit(about("bb"))?;
    hit(&store, "bb")?;
    Ok(())
}

#[test]
#[ignore = "run by a_killed_process_leaves_a_store_that_works in a process of its own"]
fn child_that_is_killed() -> TestResult {
    let Some(root) = std::env::var_os(CHILD_STORE) else { return Ok(()) };
    let store = Store::open(Path::new(&root))?;
    let mut slot = miss(&store, "bb")?;
    slot.create_overlay(&on("a"), SIZE)?;
    fs::write(directory(&store, "bb").join("key.json"), "half")?;
    fs::write(store.root().join("held"), "")?;
    std::thread::sleep(Duration::from_secs(60));
    Err("not killed".into())
}

#[test]
fn a_child_may_be_begun_but_not_committed_before_its_parent() -> TestResult {
    let (_scratch, store) = scratch()?;
    let mut parent = miss(&store, "a")?;
    parent.create_overlay(&Parent::None, SIZE)?;
    let mut early = miss(&store, "bb")?;
    early.create_overlay(&on("a"), SIZE)?;
    assert!(matches!(early.commit(about("bb")), Err(StoreError::Parent { .. })));

    let mut child = miss(&store, "bb")?;
    child.create_overlay(&on("a"), SIZE)?;
    // Commits may happen on another thread.
    std::thread::spawn(move || parent.commit(about("a"))).join().expect("no panic")?;
    child.commit(about("bb"))?;
    hit(&store, "bb")?;
    Ok(())
}

#[test]
fn a_layer_does_not_outlive_the_very_parent_it_was_made_on() -> TestResult {
    let (_scratch, store) = scratch()?;
    make(&store, "a", &Parent::None)?;
    make(&store, "bb", &on("a"))?;
    let mut child = miss(&store, "ccc")?;
    child.create_overlay(&on("a"), SIZE)?;

    fs::remove_file(directory(&store, "a").join("layer.json"))?;
    assert!(store.find(&key("bb"))?.is_none(), "the chain is broken");
    let mut again = miss(&store, "a")?;
    again.create_overlay(&Parent::None, SIZE)?;
    write_pattern(again.disk_path(), 99)?;
    again.commit(about("a"))?;
    assert!(store.find(&key("bb"))?.is_none(), "it was made on other bytes");
    assert!(matches!(child.commit(about("ccc")), Err(StoreError::Parent { .. })));

    // The same bytes again are as good as the first ones.
    fs::remove_file(directory(&store, "a").join("layer.json"))?;
    make(&store, "a", &Parent::None)?;
    hit(&store, "bb")?;
    Ok(())
}

#[test]
fn damaged_layers_are_absent_and_can_be_made_again() -> TestResult {
    type Damage = fn(&Path) -> std::io::Result<()>;
    let damages: [(&str, Damage); 4] = [
        ("truncated disk", |dir| File::options().write(true).open(dir.join("disk.qcow2"))?.set_len(1000)),
        ("no disk", |dir| fs::remove_file(dir.join("disk.qcow2"))),
        ("empty layer.json", |dir| fs::write(dir.join("layer.json"), "")),
        ("rubbish in layer.json", |dir| fs::write(dir.join("layer.json"), b"\xff{]")),
    ];
    for (what, damage) in damages {
        let (_scratch, store) = scratch()?;
        make(&store, "a", &Parent::None)?;
        make(&store, "bb", &on("a"))?;
        damage(&directory(&store, "a"))?;
        assert!(store.find(&key("a"))?.is_none(), "{what}");
        assert!(store.find(&key("bb"))?.is_none(), "{what}");
        make(&store, "a", &Parent::None)?;
        hit(&store, "a")?;
    }
    Ok(())
}

#[test]
fn a_chain_that_bites_its_tail_is_absent() -> TestResult {
    let (_scratch, store) = scratch()?;
    let meta = make(&store, "a", &Parent::None)?.meta;
    let mut circular = serde_json::to_value(&meta)?;
    circular["parent"] = json!(key("a"));
    circular["parent_sha256"] = json!(meta.sha256);
    fs::write(directory(&store, "a").join("layer.json"), circular.to_string())?;
    assert!(store.find(&key("a"))?.is_none());
    Ok(())
}
