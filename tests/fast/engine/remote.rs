//! Two machines that share a remote cache: what one has made, the other does not make again.

use std::fs::File;
use std::io::{self, Read};
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::{Duration, Instant};

use goldsmith::digest::Sha256;
use goldsmith::event::Event;
use goldsmith::interrupt::Interrupt;
use goldsmith::plan::Plan;
use goldsmith::remote::{
    Directory, Found, LeaseTimes, Listed, ObjectStore, RemoteCache, RemoteError, Settings, SigningKey, TrustedKeys,
    Version,
};

use super::fixture::{Fixture, history};

pub(super) const RECIPE: &str = "
steps:
  install: [{ run: { inline: one } }]
  configure: [{ run: { inline: two } }]
  clean: [{ run: { inline: three } }]
";

/// Layers of the recipe: the base, three steps, and the last one.
pub(super) const LAYERS: usize = 5;

/// A store that several machines mount, and a key that all of them have.
pub(super) struct Shared {
    dir: tempfile::TempDir,
}

impl Shared {
    pub(super) fn new() -> Self {
        let dir = tempfile::tempdir().expect("a directory");
        std::fs::create_dir(dir.path().join("store")).expect("a directory");
        SigningKey::generate(&dir.path().join("key")).expect("a key");
        Self { dir }
    }

    pub(super) fn root(&self) -> PathBuf {
        self.dir.path().join("store")
    }

    pub(super) fn key(&self) -> SigningKey {
        SigningKey::read(&self.dir.path().join("key")).expect("a key")
    }

    /// A new machine that shares what it makes.
    pub(super) fn writer(&self) -> Fixture {
        self.machine(Arc::new(Directory::new(&self.root())), &self.key(), true)
    }

    /// A new machine that only takes.
    pub(super) fn reader(&self) -> Fixture {
        self.machine(Arc::new(Directory::new(&self.root())), &self.key(), false)
    }

    /// A new machine that reaches the store in another way.
    pub(super) fn through(&self, store: impl ObjectStore + 'static) -> Fixture {
        self.machine(Arc::new(store), &self.key(), true)
    }

    fn machine(&self, store: Arc<dyn ObjectStore>, key: &SigningKey, writes: bool) -> Fixture {
        let mut fixture = Fixture::new();
        fixture.remote = Some(self.remote(store, key, writes, &fixture.cache()));
        fixture
    }

    /// The cache as a machine sees it. A holder of a lease counts as dead after three seconds.
    pub(super) fn remote(
        &self,
        store: Arc<dyn ObjectStore>,
        key: &SigningKey,
        writes: bool,
        cache: &Path,
    ) -> Arc<RemoteCache> {
        let mut trusted = TrustedKeys::default();
        trusted.add(&key.public()).expect("a public key");
        let signer = writes.then(|| self.key());
        let leases = LeaseTimes { renewal: Duration::from_millis(500), stale: Duration::from_secs(3) };
        let machine = "host".to_owned();
        let settings = Settings { store, trusted, signer, dir: cache.to_owned(), machine, leases };
        Arc::new(RemoteCache::new(settings))
    }

    pub(super) fn files(&self, folder: &str) -> Vec<PathBuf> {
        let entries = std::fs::read_dir(self.root().join(folder));
        let mut paths: Vec<_> = entries.into_iter().flatten().map(|entry| entry.expect("an entry").path()).collect();
        paths.sort();
        paths
    }

    fn record(&self, plan: &Plan, step: usize) -> PathBuf {
        self.root().join("layers").join(plan.steps[step].key.to_string())
    }

    /// The blob with the disk of a step.
    fn blob(&self, plan: &Plan, step: usize) -> PathBuf {
        let signed: serde_json::Value = json(&std::fs::read(self.record(plan, step)).expect("a record"));
        let record: serde_json::Value = json(signed["record"].as_str().expect("text").as_bytes());
        let sha256 = record["blobs"]["disk"]["sha256"].as_str().expect("a digest");
        self.root().join(format!("blobs/{sha256}.zst"))
    }
}

fn json(text: &[u8]) -> serde_json::Value {
    serde_json::from_slice(text).expect("JSON")
}

/// Builds the recipe on a machine, waits until it has shared its layers, and returns the disk's digest.
pub(super) fn build(fixture: &Fixture) -> Sha256 {
    let plan = fixture.plan(RECIPE);
    let disk = fixture.build(&plan).expect("it builds");
    finish(fixture);
    fixture.assert_store_is_sound();
    assert_eq!(history(&disk), ["one", "two", "three"]);
    disk.layer.meta.sha256
}

pub(super) fn finish(fixture: &Fixture) {
    fixture.remote.as_ref().expect("it shares").finish(&*fixture.events, &Interrupt::new());
}

/// Number of steps that ran, the base included.
pub(super) fn made(fixture: &Fixture) -> usize {
    fixture.ran().len() + fixture.bootstraps.load(Ordering::SeqCst)
}

pub(super) fn warnings(fixture: &Fixture) -> Vec<String> {
    let warning = |event: Event| match event {
        Event::Warning { message } => Some(message),
        _ => None,
    };
    fixture.events.all().into_iter().filter_map(warning).collect()
}

#[test]
fn the_second_machine_makes_nothing_again() {
    let shared = Shared::new();
    let (one, two) = (shared.writer(), shared.reader());
    let digest = build(&one);
    assert_eq!((made(&one), shared.files("layers").len()), (4, LAYERS));
    assert_eq!(build(&two), digest);
    assert_eq!((made(&two), two.world.launches()), (0, 0));
    assert!(two.events.steps().iter().all(|step| step.ends_with(" fetched")), "each step came from the store");
    assert_eq!((warnings(&one), warnings(&two)), (vec![], vec![]));
    // What is here now is not fetched again.
    build(&two);
    let steps = two.events.steps();
    assert!(steps.len() == LAYERS && steps.iter().all(|step| step.ends_with(" cached")), "{steps:?}");
}

#[test]
fn what_a_machine_makes_on_fetched_layers_is_shared_too() {
    let shared = Shared::new();
    build(&shared.writer());
    let longer = RECIPE.replace("{ inline: three } }]", "{ inline: three } }, { run: { inline: four } }]");
    let (two, three) = (shared.writer(), shared.reader());
    for machine in [&two, &three] {
        let disk = machine.build(&machine.plan(&longer)).expect("it builds");
        finish(machine);
        assert_eq!(history(&disk), ["one", "two", "three", "four"]);
    }
    assert_eq!((two.ran(), made(&three)), (vec!["three".to_owned(), "four".to_owned()], 0));
}

#[test]
fn a_machine_that_may_not_write_writes_nothing() {
    let shared = Shared::new();
    build(&shared.reader());
    assert_eq!(std::fs::read_dir(shared.root()).expect("a directory").count(), 0);
}

#[test]
fn only_layers_by_a_trusted_key_are_taken() {
    let shared = Shared::new();
    build(&shared.writer());
    let stranger = SigningKey::generate(&shared.dir.path().join("stranger")).expect("a key");
    let store = || Arc::new(Directory::new(&shared.root())) as Arc<dyn ObjectStore>;
    let two = shared.machine(store(), &stranger, false);
    build(&two);
    assert_eq!(made(&two), 4);
    let said = warnings(&two);
    assert!(said.len() == 1 && said[0].contains("which is not trusted"), "{said:?}");

    let (plan, three) = (two.plan(RECIPE), shared.reader());
    let mut unsigned = json(&std::fs::read(shared.record(&plan, 2)).expect("a record"));
    unsigned["signature"] = "".into();
    std::fs::write(shared.record(&plan, 2), unsigned.to_string()).expect("writable");
    build(&three);
    assert_eq!(three.ran(), ["two", "three"]);
    let said = warnings(&three);
    assert!(said.len() == 1 && said[0].contains("the record is not signed"), "{said:?}");
}

#[test]
fn the_record_of_another_layer_or_parent_does_not_count() {
    let shared = Shared::new();
    build(&shared.writer());
    let plan = Fixture::new().plan(RECIPE);
    std::fs::copy(shared.record(&plan, 3), shared.record(&plan, 2)).expect("a record");
    let two = shared.reader();
    build(&two);
    assert_eq!(two.ran(), ["two", "three"]);
    assert!(warnings(&two)[0].contains("the record is that of layer"), "{:?}", warnings(&two));

    // A machine that has made the base itself cannot use layers on another base.
    let other = Shared::new();
    build(&other.writer());
    let mut three = Fixture { unlike: "other", ..Fixture::new() };
    three.build(&plan).expect("it builds");
    three.remote = other.reader().remote;
    std::fs::remove_file(three.cache().join(format!("layers/{}/layer.json", plan.steps[1].key))).expect("a layer");
    three.world.reset();
    build(&three);
    assert_eq!(three.ran(), ["one", "two", "three"]);
    assert_eq!(warnings(&three), [""; 0]);
}

/// Spoils the blob of a step.
type Spoil = fn(&Path);

#[test]
fn a_blob_that_is_not_what_its_record_says_is_a_miss_and_is_replaced() {
    let truncated: Spoil = |blob| {
        let size = std::fs::metadata(blob).expect("a blob").len();
        File::options().write(true).open(blob).expect("a blob").set_len(size - 1).expect("writable");
    };
    let swapped: Spoil = |blob| {
        let mut bytes = std::fs::read(blob).expect("a blob");
        let at = bytes.len() / 2;
        bytes[at] ^= 1;
        std::fs::write(blob, bytes).expect("writable");
    };
    let missing: Spoil = |blob| std::fs::remove_file(blob).expect("a blob");
    let longer: Spoil = |blob| {
        let mut bytes = std::fs::read(blob).expect("a blob");
        bytes.extend([0; 9]);
        std::fs::write(blob, bytes).expect("writable");
    };
    for (name, spoil) in [("truncated", truncated), ("swapped", swapped), ("missing", missing), ("longer", longer)] {
        let shared = Shared::new();
        build(&shared.writer());
        let two = shared.writer();
        spoil(&shared.blob(&two.plan(RECIPE), 2));
        build(&two);
        assert_eq!(two.ran(), ["two", "three"], "{name}: the layers below are taken");
        let said = warnings(&two);
        assert!(said.len() == 1 && said[0].contains("is made again"), "{name}: {said:?}");
        // The next machine finds sound layers.
        let three = shared.reader();
        build(&three);
        assert_eq!((made(&three), warnings(&three)), (0, vec![]), "{name}");
    }
}

#[test]
fn of_two_machines_that_make_the_same_layers_the_first_one_wins() {
    let shared = Shared::new();
    let (one, two) = (shared.writer(), Fixture { unlike: "other", ..shared.writer() });
    let barrier = std::sync::Barrier::new(2);
    std::thread::scope(|scope| {
        for machine in [&one, &two] {
            let barrier = &barrier;
            scope.spawn(move || {
                barrier.wait();
                build(machine);
            });
        }
    });
    assert_eq!(shared.files("layers").len(), LAYERS);
    assert_eq!((warnings(&one), warnings(&two)), (vec![], vec![]));
    let three = shared.reader();
    build(&three);
    assert_eq!(made(&three), 0, "what is shared is one chain that fits");
}

/// A store that behaves badly, before a good one.
struct Bad {
    store: Directory,
    delay: Duration,
    rate: Option<u64>,
    cut: Option<u64>,
    full: bool,
}

impl Bad {
    fn new(shared: &Shared) -> Self {
        Self { store: Directory::new(&shared.root()), delay: Duration::ZERO, rate: None, cut: None, full: false }
    }
}

struct BadReader {
    inner: Box<dyn Read + Send>,
    rate: Option<u64>,
    left: Option<u64>,
}

impl Read for BadReader {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        if self.left == Some(0) {
            return Err(io::ErrorKind::ConnectionReset.into());
        }
        let mut most = buffer.len();
        if let Some(rate) = self.rate {
            most = most.min(usize::try_from(rate / 10).expect("small").max(1));
            std::thread::sleep(Duration::from_millis(100));
        }
        if let Some(left) = self.left {
            most = most.min(usize::try_from(left).expect("small"));
        }
        let count = self.inner.read(&mut buffer[..most])?;
        self.left = self.left.map(|left| left - count as u64);
        Ok(count)
    }
}

impl ObjectStore for Bad {
    fn place(&self) -> String {
        self.store.place()
    }

    fn get(&self, name: &str, interrupt: &Interrupt) -> Result<Option<Found>, RemoteError> {
        std::thread::sleep(self.delay);
        let found = self.store.get(name, interrupt)?;
        let (rate, left) = if name.starts_with("blobs/") { (self.rate, self.cut) } else { (None, None) };
        Ok(found.map(|found| Found { content: Box::new(BadReader { inner: found.content, rate, left }), ..found }))
    }

    fn size(&self, name: &str) -> Result<Option<u64>, RemoteError> {
        self.store.size(name)
    }

    fn put_new(&self, name: &str, content: &[u8]) -> Result<bool, RemoteError> {
        self.store.put_new(name, content)
    }

    fn put_over(&self, name: &str, content: &[u8], version: &Version) -> Result<bool, RemoteError> {
        self.store.put_over(name, content, version)
    }

    fn upload(
        &self,
        name: &str,
        file: &Path,
        sha256: &Sha256,
        on_bytes: &dyn Fn(u64),
        interrupt: &Interrupt,
    ) -> Result<(), RemoteError> {
        if self.full {
            return Err(RemoteError::Cut { name: name.to_owned(), reason: "the store is full".to_owned() });
        }
        self.store.upload(name, file, sha256, on_bytes, interrupt)
    }

    fn list(&self, folder: &str) -> Result<Vec<Listed>, RemoteError> {
        self.store.list(folder)
    }

    fn remove(&self, name: &str) -> Result<(), RemoteError> {
        self.store.remove(name)
    }

    fn touch(&self, name: &str, content: &[u8], version: &Version) -> Result<(), RemoteError> {
        self.store.touch(name, content, version)
    }

    fn remove_leftovers(&self, dry_run: bool) -> Result<Vec<String>, RemoteError> {
        self.store.remove_leftovers(dry_run)
    }
}

#[test]
fn a_store_that_answers_nothing_costs_a_build_three_seconds() {
    let shared = Shared::new();
    build(&shared.writer());
    let two = shared.through(Bad { delay: Duration::from_secs(60), ..Bad::new(&shared) });
    let alone = Fixture::new();
    let started = Instant::now();
    alone.build(&alone.plan(RECIPE)).expect("it builds");
    let without = started.elapsed();
    let started = Instant::now();
    build(&two);
    let lost = started.elapsed().saturating_sub(without);
    assert!(lost < Duration::from_millis(4500), "{lost:?}");
    assert_eq!(made(&two), 4);
    let said = warnings(&two);
    assert!(said.len() == 1 && said[0].contains("has not answered for 3 s"), "{said:?}");
}

#[test]
fn a_store_that_is_not_there_costs_nothing() {
    let shared = Shared::new();
    let two = shared.through(Directory::new(&shared.root().join("not mounted")));
    build(&two);
    let said = warnings(&two);
    assert!(said.len() == 1 && said[0].contains("is no directory"), "{said:?}");
}

#[test]
fn a_store_that_is_slower_than_making_is_given_up() {
    let shared = Shared::new();
    build(&shared.writer());
    let two = shared.through(Bad { rate: Some(100), ..Bad::new(&shared) });
    let started = Instant::now();
    build(&two);
    assert!(started.elapsed() < Duration::from_secs(10), "{:?}", started.elapsed());
    assert_eq!(made(&two), 4);
    let said = warnings(&two);
    assert!(said.len() == 1 && said[0].contains("slower than making"), "{said:?}");
}

#[test]
fn a_connection_that_is_cut_leaves_nothing_half_done() {
    let shared = Shared::new();
    build(&shared.writer());
    let two = shared.through(Bad { cut: Some(100), ..Bad::new(&shared) });
    build(&two);
    assert_eq!(made(&two), 4);
    let said = warnings(&two);
    assert!(said.len() == 1 && said[0].contains("ended early"), "{said:?}");
}

#[test]
fn a_full_store_fails_no_build() {
    let shared = Shared::new();
    let one = shared.through(Bad { full: true, ..Bad::new(&shared) });
    build(&one);
    let said = warnings(&one);
    assert!(said.len() == 1 && said[0].contains("the store is full"), "{said:?}");
    assert_eq!(shared.files("layers").len(), 0);
    // What a killed upload leaves is no layer either.
    let two = shared.writer();
    std::fs::create_dir_all(shared.root().join("blobs")).expect("a directory");
    std::fs::write(shared.root().join("blobs/.goldsmith-aB3dE6-x.zst"), "half").expect("a file");
    build(&two);
    assert_eq!((made(&two), shared.files("layers").len()), (4, LAYERS));
}

#[test]
fn nothing_in_the_store_holds_a_secret() {
    const SECRET: &str = "correct-horse-battery";
    let recipe = "
secrets: { token: { env: TOKEN } }
steps:
  install: [{ run: { inline: one, secrets: [token] } }]
  configure: [{ run: { inline: two } }]
";
    let holding = |shared: &Shared| {
        let files = [shared.files("layers"), shared.files("blobs")].concat();
        let text = |path: &PathBuf| match path.extension() {
            Some(_) => zstd::decode_all(&*std::fs::read(path).expect("a blob")).expect("zstd"),
            None => std::fs::read(path).expect("a record"),
        };
        let has = |bytes: &[u8], word: &str| bytes.windows(word.len()).any(|window| window == word.as_bytes());
        let found = files.iter().filter(|path| has(&text(path), SECRET)).count();
        assert!(files.iter().any(|path| has(&text(path), "GOLDFAKE")) || files.is_empty(), "blobs are looked into");
        (files.len(), found)
    };
    let shared = Shared::new();
    let mut one = shared.writer();
    one.secrets.insert("token".to_owned(), SECRET.as_bytes().to_vec());
    one.build(&one.plan(recipe)).expect("it builds");
    finish(&one);
    let (files, found) = holding(&shared);
    assert!(files > LAYERS && found == 0, "{files} {found}");

    // A script that leaves the secret in the image keeps its layer from being shared, and all layers above.
    let shared = Shared::new();
    let mut two = shared.writer();
    two.secrets.insert("token".to_owned(), SECRET.as_bytes().to_vec());
    two.world.on_run(|_, tree| {
        tree.insert(format!("/{SECRET}"), super::fixture::file(b""));
        goldsmith::guest::Ended { status: 0, tail: Vec::new() }
    });
    two.build(&two.plan(recipe)).expect("it builds");
    finish(&two);
    assert_eq!((holding(&shared).1, shared.files("layers").len()), (0, 1), "only the base is shared");
    let said = warnings(&two);
    assert!(said.len() == 1 && said[0].contains("holds the value of a secret"), "{said:?}");
}

#[test]
fn layers_are_listed_checked_and_removed() {
    let shared = Shared::new();
    let one = shared.writer();
    build(&one);
    let remote = one.remote.as_ref().expect("it shares");
    let listed = remote.list(&Interrupt::new()).expect("a list");
    assert!(listed.len() == LAYERS && listed.iter().all(|layer| layer.record.is_ok()), "{listed:?}");
    let verify = || remote.verify(&Interrupt::new(), &mut |_, _| {}).expect("readable");
    assert_eq!(verify(), []);
    let plan = one.plan(RECIPE);
    let blob = shared.blob(&plan, 1);
    let bytes = std::fs::read(&blob).expect("a blob");
    std::fs::write(&blob, &bytes[1..]).expect("writable");
    let findings = verify();
    assert!(findings.len() == 1 && findings[0].layer == plan.steps[1].key, "{findings:?}");
    std::fs::write(&blob, bytes).expect("writable");

    let gc = |policy| remote.gc(policy, &Interrupt::new()).expect("it is removed");
    let policy = goldsmith::layer::GcPolicy::default();
    let orphan = shared.root().join("blobs").join(format!("{}.zst", Sha256::of(b"orphan")));
    std::fs::write(&orphan, "x").expect("a file");
    assert_eq!((gc(policy).kept, orphan.exists()), (LAYERS, true), "an upload may be running");
    let old = std::time::SystemTime::now() - Duration::from_secs(2 * 24 * 3600);
    File::options().write(true).open(&orphan).expect("a file").set_modified(old).expect("a time");
    assert_eq!((gc(policy).blobs_removed, orphan.exists()), (1, false));
    let all = goldsmith::layer::GcPolicy { all: true, dry_run: true, ..policy };
    let report = gc(all);
    assert_eq!((report.removed.len(), shared.files("layers").len()), (LAYERS, LAYERS), "a dry run removes nothing");
    let report = gc(goldsmith::layer::GcPolicy { dry_run: false, ..all });
    assert_eq!(report.removed.len(), LAYERS);
    assert_eq!((shared.files("layers").len(), shared.files("blobs").len()), (0, 0));
    let steps: Vec<_> = report.removed.iter().map(|gone| gone.key).collect();
    let expected: Vec<_> = plan.steps.iter().rev().map(|step| step.key).collect();
    assert_eq!(steps, expected, "children go before their parents");
}

#[test]
fn of_two_hundred_writers_of_one_key_one_wins() {
    let shared = Shared::new();
    let store = Directory::new(&shared.root());
    let race = |write: &(dyn Fn(usize) -> bool + Sync)| {
        let (won, barrier) = (std::sync::atomic::AtomicUsize::new(0), std::sync::Barrier::new(200));
        std::thread::scope(|scope| {
            for number in 0..200 {
                let (won, barrier) = (&won, &barrier);
                scope.spawn(move || {
                    barrier.wait();
                    won.fetch_add(usize::from(write(number)), Ordering::SeqCst);
                });
            }
        });
        won.into_inner()
    };
    assert_eq!(race(&|number| store.put_new("layers/x", &[number as u8]).expect("writable")), 1);
    let version = || store.get("layers/x", &Interrupt::new()).expect("readable").expect("it is there").version;
    let before = version();
    assert_eq!(
        race(&|number| store.put_over("layers/x", format!("{number}").as_bytes(), &before).expect("writable")),
        1
    );
    assert_ne!(version(), before);
    assert!(!store.put_over("layers/none", b"x", &before).expect("writable"), "what is gone is not replaced");
    assert_eq!(shared.files("layers").len(), 1, "no temporary file is left");
}
