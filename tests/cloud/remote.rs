//! The remote cache in a real object store: two caches play two machines.

use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Barrier, Mutex};
use std::time::{Duration, Instant};

use goldsmith::digest::Sha256;
use goldsmith::event::{Event, Reporter};
use goldsmith::interrupt::Interrupt;
use goldsmith::layer::{LayerKey, Lookup, NewLayer, Parent, Store, canonical};
use goldsmith::remote::{
    Lacking, LeaseTimes, ObjectStore, RemoteCache, Settings, Sharer, SigningKey, TrustedKeys, Turn, Wanted, Wish,
};
use goldsmith::units::ByteSize;
use serde_json::{Value, json};

use super::Ran;
use super::seaweed::{BUCKET, Fault, Seaweed, Wire, noise};

/// Bytes of the base: more than are sent in one request.
pub(crate) const BASE: usize = 40 << 20;

pub(crate) const NAMES: [&str; 3] = ["base", "middle", "top"];

fn ingredients(name: &str) -> Value {
    json!({ "format": 1, "actions": [{ "hostname": name }] })
}

pub(crate) fn key(name: &str) -> LayerKey {
    LayerKey::of(&canonical(&ingredients(name)))
}

fn run(program: &str, arguments: &[&str]) {
    assert!(Command::new(program).args(arguments).status().expect("it is there").success(), "{program} {arguments:?}");
}

#[derive(Default)]
struct Warnings(Mutex<Vec<String>>);

impl Reporter for Warnings {
    fn report(&self, event: &Event) {
        if let Event::Warning { message } = event {
            self.0.lock().expect("no panic").push(message.clone());
        }
    }
}

/// A machine: a directory with a cache.
pub(crate) struct Machine {
    pub(crate) dir: tempfile::TempDir,
}

impl Machine {
    pub(crate) fn new() -> Self {
        Self { dir: tempfile::tempdir().expect("a directory") }
    }

    /// A machine that has made three layers.
    pub(crate) fn with_layers() -> Self {
        let machine = Self::new();
        let store = machine.store();
        for (name, below) in NAMES.iter().zip([None, Some(NAMES[0]), Some(NAMES[1])]) {
            let claimed = store.claim(&key(name), &Interrupt::new(), &mut || {}).expect("a store");
            let Lookup::Miss(mut slot) = claimed else { panic!("{name} is there") };
            match below {
                None => {
                    let raw = machine.path("noise");
                    noise(&raw, BASE);
                    let disk = slot.disk_path().display().to_string();
                    run("qemu-img", &["convert", "-f", "raw", "-O", "qcow2", &raw.display().to_string(), &disk]);
                }
                Some(below) => {
                    let parent = Parent::Layer(key(below));
                    slot.create_overlay(&parent, ByteSize::mebibytes(40)).expect("an overlay");
                }
            }
            let layer = NewLayer {
                seconds: 60.0,
                step: format!("configure {name}"),
                image_name: "web".to_owned(),
                ingredients: ingredients(name),
                facts: Value::Null,
                extras: Vec::new(),
            };
            slot.commit(layer).expect("it is complete");
        }
        machine
    }

    pub(crate) fn path(&self, name: &str) -> PathBuf {
        self.dir.path().join(name)
    }

    fn store(&self) -> Store {
        Store::open(&self.path("cache")).expect("a store")
    }

    /// The remote cache as a machine that shares sees it.
    fn remote(&self, seaweed: &Seaweed, key_file: &str) -> Arc<RemoteCache> {
        let signer = SigningKey::read(Path::new(key_file)).expect("a key");
        let mut trusted = TrustedKeys::default();
        trusted.add_own(&signer);
        let (store, dir) = (Arc::new(seaweed.open("writer", &seaweed.endpoint())), self.path("cache"));
        let (machine, leases) = ("one".to_owned(), LeaseTimes::default());
        Arc::new(RemoteCache::new(Settings { store, trusted, signer: Some(signer), dir, machine, leases }))
    }

    pub(crate) fn digest(&self, name: &str) -> Option<Sha256> {
        self.store().find(&key(name)).expect("a store").map(|layer| layer.meta.sha256)
    }

    /// Fetches what it lacks, and returns the warnings.
    pub(crate) fn fetch(&self, store: impl ObjectStore + 'static, public: &str) -> Vec<String> {
        let mut trusted = TrustedKeys::default();
        trusted.add(public).expect("a public key");
        let settings = Settings {
            store: Arc::new(store),
            trusted,
            signer: None,
            dir: self.path("cache"),
            machine: String::new(),
            leases: LeaseTimes::default(),
        };
        let remote = RemoteCache::new(settings);
        let all = NAMES.map(ingredients);
        let wanted: Vec<_> =
            NAMES.iter().zip(&all).map(|(name, ingredients)| Wanted { key: key(name), ingredients }).collect();
        let warnings = Warnings::default();
        remote.fetch(&wanted, Wish::Faster, &self.store(), &warnings, &Interrupt::new()).expect("a local store");
        let findings = self.store().verify(&Interrupt::new(), &mut |_, _| {}).expect("readable");
        assert!(findings.is_empty(), "{findings:?}");
        warnings.0.into_inner().expect("no panic")
    }
}

/// Makes a key, and returns its file and its public half.
pub(crate) fn keys(dir: &Path) -> (String, String) {
    let file = dir.join("layers.key");
    let public = SigningKey::generate(&file).expect("a key").public();
    (file.display().to_string(), public)
}

/// The command of a machine with the keys of a user of the store.
fn command(machine: &Machine, user: &str, endpoint: &str, key: &str, arguments: &[&str]) -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_goldsmith"));
    command.env_clear().env("HOME", machine.dir.path()).env("PATH", "/usr/bin:/bin");
    command.env("AWS_ACCESS_KEY_ID", user).env("AWS_SECRET_ACCESS_KEY", format!("{user}s-secret"));
    command.env("GOLDSMITH_REMOTE_CACHE", format!("s3://{BUCKET}/team?endpoint={endpoint}"));
    command.env("GOLDSMITH_REMOTE_CACHE_KEY", key);
    command.args(arguments).arg("--cache").arg(machine.path("cache"));
    command
}

pub(crate) fn ran(mut command: Command) -> Ran {
    command.output().expect("it runs").into()
}

/// Writes `layers/one` under all conditions, and reads it back: every store does the same, as long as nobody else writes.
pub(crate) fn keeps_small_objects(store: &dyn ObjectStore) {
    let never = Interrupt::new();
    assert!(store.get("layers/one", &never).expect("it answers").is_none());
    assert!(store.put_new("layers/one", b"first").expect("it answers"));
    assert!(!store.put_new("layers/one", b"second").expect("it answers"));
    let found = store.get("layers/one", &never).expect("it answers").expect("it is there");
    let version = found.version.clone();
    assert!(found.modified.expect("a time").elapsed().unwrap_or_default() < Duration::from_secs(600));
    assert_eq!(found.read("layers/one").expect("readable"), b"first");
    assert!(store.put_over("layers/one", b"third", &version).expect("it answers"));
    assert!(!store.put_over("layers/one", b"fourth", &version).expect("it answers"));
    assert!(!store.put_over("layers/none", b"x", &version).expect("it answers"));
    assert_eq!(store.size("layers/one").expect("it answers"), Some(5));
    let listed = store.list("layers").expect("it answers");
    assert_eq!(listed.iter().map(|found| (found.name.as_str(), found.size)).collect::<Vec<_>>(), [("one", 5)]);
}

#[test]
#[ignore = "starts a SeaweedFS"]
fn an_object_store_keeps_its_conditions_for_two_hundred_writers() {
    let seaweed = Seaweed::start();
    let store = seaweed.open("writer", &seaweed.endpoint());
    let never = Interrupt::new();
    keeps_small_objects(&store);
    store.remove("layers/one").expect("it answers");
    store.remove("layers/one").expect("it is gone already");
    assert_eq!(store.size("layers/one").expect("it answers"), None);

    let race = |write: &(dyn Fn(usize) -> bool + Sync)| {
        let (won, barrier) = (AtomicUsize::new(0), Barrier::new(200));
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
    let won = race(&|number| store.put_new("layers/race", format!("{number}").as_bytes()).expect("it answers"));
    assert_eq!(won, 1);
    let version = store.get("layers/race", &never).expect("it answers").expect("it is there").version;
    let won = race(&|number| {
        store.put_over("layers/race", format!("new {number}").as_bytes(), &version).expect("it answers")
    });
    assert_eq!(won, 1);
}

#[test]
#[ignore = "starts a SeaweedFS"]
fn the_layers_of_one_machine_reach_another_and_are_managed_by_commands() {
    let (seaweed, one, two) = (Seaweed::start(), Machine::with_layers(), Machine::new());
    let (key_file, public) = keys(one.dir.path());
    let endpoint = seaweed.endpoint();
    let run = |user: &str, arguments: &[&str]| ran(command(&one, user, &endpoint, &key_file, arguments));

    let refused = run("reader", &["cache", "push"]);
    assert_eq!(refused.code, Some(11), "{}", refused.stderr);
    assert!(refused.stderr.contains("is refused with 403"), "{}", refused.stderr);
    let pushed = run("writer", &["cache", "push", "--json"]).json();
    assert_eq!((&pushed["uploaded"], &pushed["other"]), (&json!(3), &json!(0)), "{pushed}");
    assert!(pushed["sent"].as_u64().expect("a number") > BASE as u64);
    assert_eq!(run("writer", &["cache", "push", "--json"]).json()["there"], json!(3));

    let reader = || seaweed.open("reader", &endpoint);
    assert_eq!(two.fetch(reader(), &public), [""; 0]);
    assert_eq!(NAMES.map(|name| two.digest(name)), NAMES.map(|name| one.digest(name)));

    let listed = run("reader", &["cache", "ls", "--remote", "--json"]).json();
    assert_eq!(listed.as_array().map(Vec::len), Some(3));
    assert!(listed[0]["refused"].is_null() && listed[0]["record"]["layer"]["image_name"] == "web", "{listed}");
    let verified = run("reader", &["cache", "verify", "--remote"]);
    assert_eq!(verified.code, Some(0), "{}{}", verified.stdout, verified.stderr);
    // A blob of another content under the right name.
    let writer = seaweed.open("writer", &endpoint);
    let record: Value = serde_json::from_str(
        listed
            .as_array()
            .expect("a list")
            .iter()
            .find(|layer| layer["key"] == key("top").to_string())
            .expect("it is there")["record"]
            .to_string()
            .as_str(),
    )
    .expect("JSON");
    let blob = format!("blobs/{}.zst", record["blobs"]["disk"]["sha256"].as_str().expect("a digest"));
    let liar = one.path("liar");
    std::fs::write(&liar, "lies").expect("a file");
    writer.upload(&blob, &liar, &Sha256::of(b"lies"), &|_| {}, &Interrupt::new()).expect("it is taken");
    let verified = run("reader", &["cache", "verify", "--remote"]);
    assert_eq!(verified.code, Some(11), "{}", verified.stdout);
    assert!(verified.stdout.contains(&key("top").short()), "{}", verified.stdout);
    // Who has the sound layer, shares it again.
    assert_eq!(run("writer", &["cache", "push", "--json"]).json()["uploaded"], json!(1));
    assert_eq!(run("reader", &["cache", "verify", "--remote"]).code, Some(0));

    let gc = |more: &[&str]| run("writer", &[&["cache", "gc", "--remote", "--all"], more].concat());
    let dry = gc(&["--dry-run"]);
    assert_eq!(
        (dry.code, dry.stdout.matches("would remove layer").count()),
        (Some(0), 3),
        "{}{}",
        dry.stdout,
        dry.stderr
    );
    assert_eq!(writer.list("layers").expect("it answers").len(), 3);
    let gone = gc(&[]);
    assert!(gone.stdout.contains("removed 3 layers"), "{}{}", gone.stdout, gone.stderr);
    assert!(
        writer.list("layers").expect("it answers").is_empty() && writer.list("blobs").expect("it answers").is_empty()
    );
}

#[test]
#[ignore = "starts a SeaweedFS"]
fn a_store_that_is_silent_slow_cut_or_lying_costs_little_and_breaks_nothing() {
    let (seaweed, one) = (Seaweed::start(), Machine::with_layers());
    let (key_file, public) = keys(one.dir.path());
    let pushed = ran(command(&one, "writer", &seaweed.endpoint(), &key_file, &["cache", "push"]));
    assert_eq!(pushed.code, Some(0), "{}", pushed.stderr);
    let wire = Wire::to(&seaweed);
    let begun = Instant::now();
    let fetch = |fault: Fault| {
        wire.set(fault);
        let (machine, started) = (Machine::new(), Instant::now());
        let said = machine.fetch(seaweed.open("reader", &wire.endpoint), &public);
        assert_eq!(said.len(), 1, "{fault:?}: {said:?}");
        let has = NAMES.map(|name| machine.digest(name).is_some());
        assert!(!has[2], "{fault:?}: nothing that is not whole counts");
        (said[0].clone(), started.elapsed())
    };
    let (said, took) = fetch(Fault { silent: true, ..Fault::default() });
    assert!(said.contains("has not answered for 3 s") && took < Duration::from_secs(6), "{said} {took:?}");
    let (said, took) = fetch(Fault { rate: Some(20_000), ..Fault::default() });
    assert!(said.contains("slower than making") && took < Duration::from_secs(12), "{said} {took:?}");
    let (said, _) = fetch(Fault { cut_after: Some(5 << 20), ..Fault::default() });
    assert!(said.contains("ended early"), "{said}");
    let (said, _) = fetch(Fault { lie_at: Some(5 << 20), ..Fault::default() });
    assert!(said.contains("is damaged") && said.contains("is made again"), "{said}");
    assert!(begun.elapsed() < Duration::from_secs(120));
    // Through the same wire, all is well when it is.
    wire.set(Fault::default());
    let two = Machine::new();
    assert_eq!(two.fetch(seaweed.open("reader", &wire.endpoint), &public), [""; 0]);
    assert_eq!(two.digest("top"), one.digest("top"));
}

#[test]
#[ignore = "starts a SeaweedFS"]
fn a_machine_that_is_killed_while_it_uploads_leaves_no_layer_that_is_not_whole() {
    let (seaweed, one, two) = (Seaweed::start(), Machine::with_layers(), Machine::new());
    let (key_file, public) = keys(one.dir.path());
    let writer = seaweed.open("writer", &seaweed.endpoint());
    for delay in [150, 400, 800, 1500] {
        let mut push = command(&one, "writer", &seaweed.endpoint(), &key_file, &["cache", "push"]);
        let mut child = push.stdout(Stdio::null()).stderr(Stdio::null()).spawn().expect("it runs");
        std::thread::sleep(Duration::from_millis(delay));
        child.kill().expect("it runs");
        child.wait().expect("it ends");
        // Whatever has arrived: a record is there only with its blobs.
        let verified = ran(command(&two, "reader", &seaweed.endpoint(), &key_file, &["cache", "verify", "--remote"]));
        assert_eq!(verified.code, Some(0), "{delay} ms: {}{}", verified.stdout, verified.stderr);
    }
    let pushed = ran(command(&one, "writer", &seaweed.endpoint(), &key_file, &["cache", "push"]));
    assert_eq!(pushed.code, Some(0), "{}", pushed.stderr);
    assert_eq!(writer.list("layers").expect("it answers").len(), 3);

    // A machine that is killed while it fetches has whole layers, or none, and goes on later.
    let wire = Wire::to(&seaweed);
    wire.set(Fault { cut_after: Some(20 << 20), ..Fault::default() });
    two.fetch(seaweed.open("reader", &wire.endpoint), &public);
    assert_eq!(two.digest("base"), None);
    assert_eq!(two.fetch(seaweed.open("reader", &seaweed.endpoint()), &public), [""; 0]);
    assert_eq!(two.digest("top"), one.digest("top"));
}

#[test]
#[ignore = "starts a SeaweedFS"]
fn a_full_bucket_fails_a_push_and_no_build() {
    let (seaweed, one) = (Seaweed::full(), Machine::with_layers());
    let (key_file, _) = keys(one.dir.path());
    let pushed = ran(command(&one, "writer", &seaweed.endpoint(), &key_file, &["cache", "push"]));
    assert_eq!(pushed.code, Some(11), "{}{}", pushed.stdout, pushed.stderr);
    assert!(pushed.stderr.contains("is refused with 5"), "{}", pushed.stderr);

    // What a build does: it asks whose turn it is, and shares in the background.
    let remote = one.remote(&seaweed, &key_file);
    let lacking = Lacking { key: key("new"), parent: None };
    let turn = remote.turn(&lacking, &Interrupt::new());
    assert!(matches!(turn, Turn::Make(None)), "{turn:?}");
    let warnings = Arc::new(Warnings::default());
    let reporter: Arc<dyn Reporter> = Arc::clone(&warnings) as _;
    let sharer = Sharer::new(&remote, &reporter, std::iter::empty()).expect("it shares");
    for name in NAMES {
        sharer.share(one.store().find(&key(name)).expect("a store").expect("it is there"), None);
    }
    remote.finish(&*reporter, &Interrupt::new());
    let said = warnings.0.lock().expect("no panic").clone();
    assert!(said.len() == 1 && said[0].contains("is not used any more in this run"), "{said:?}");
    let writer = seaweed.open("writer", &seaweed.endpoint());
    assert!(
        writer.list("layers").expect("it answers").is_empty() && writer.list("leases").expect("it answers").is_empty()
    );
}

#[test]
#[ignore = "starts a SeaweedFS, and waits for a lease to become stale"]
fn one_machine_makes_a_layer_others_wait_and_one_of_them_replaces_a_dead_one_within_a_minute() {
    let (seaweed, machines) = (Seaweed::start(), [(); 3].map(|()| Machine::new()));
    let (key_file, public) = keys(machines[0].dir.path());
    let never = Interrupt::new();
    let remotes = machines.each_ref().map(|machine| machine.remote(&seaweed, &key_file));
    let lacking = Lacking { key: key("base"), parent: None };
    let turns = std::thread::scope(|scope| {
        let threads = remotes.each_ref().map(|remote| scope.spawn(move || remote.turn(&lacking, &Interrupt::new())));
        threads.map(|thread| thread.join().expect("no panic"))
    });
    let (mut leases, mut waiting) = (Vec::new(), Vec::new());
    for (turn, remote) in turns.into_iter().zip(&remotes) {
        match turn {
            Turn::Make(lease) => leases.push(lease.expect("the store keeps conditions")),
            Turn::Wait(maker) => waiting.push((maker, remote)),
            Turn::Fetch => panic!("nobody has made it"),
        }
    }
    assert_eq!((leases.len(), waiting.len()), (1, 2));
    let listed = || {
        let ran = ran(command(&machines[0], "reader", &seaweed.endpoint(), &key_file, &["cache", "ls", "--remote"]));
        assert_eq!(ran.code, Some(0), "{}", ran.stderr);
        ran.stdout
    };
    assert!(listed().contains("one makes it"), "{}", listed());

    // Two machines wait for one that has died: its lease is there, and nobody renews it.
    drop(leases);
    remotes.iter().for_each(|remote| remote.finish(&Warnings::default(), &never));
    assert!(!listed().contains("makes it"), "{}", listed());
    let writer = seaweed.open("writer", &seaweed.endpoint());
    let dead = json!({ "holder": "dead", "machine": "gone", "key": public, "count": 3 }).to_string();
    assert!(writer.put_new(&format!("leases/{}", lacking.key), dead.as_bytes()).expect("it answers"));
    let begun = Instant::now();
    let ends = std::thread::scope(|scope| {
        let threads = [&remotes[1], &remotes[2]].map(|remote| {
            scope.spawn(move || {
                let never = Interrupt::new();
                let Turn::Wait(maker) = remote.turn(&lacking, &never) else { panic!("it looks alive") };
                let limit = Duration::from_secs(65);
                let turn = remote.wait(&lacking, maker, limit, &never, &mut |_| {});
                (begun.elapsed(), turn)
            })
        });
        threads.map(|thread| thread.join().expect("no panic"))
    });
    let taken: Vec<_> = ends.iter().filter(|(_, turn)| matches!(turn, Turn::Make(Some(_)))).collect();
    assert_eq!(taken.len(), 1, "one of them takes over, and the other one waits for it: {ends:?}");
    assert!((40..60).contains(&taken[0].0.as_secs()), "{ends:?}");
    // Each has asked the store once whether it keeps conditions, and remembers it.
    for machine in &machines {
        let notes = std::fs::read_dir(machine.path("cache/remote")).expect("a directory").flatten();
        let notes: Vec<_> = notes.map(|entry| std::fs::read_to_string(entry.path()).expect("notes")).collect();
        assert!(notes.len() == 1 && notes[0].contains("\"kept\":true"), "{notes:?}");
    }
}
