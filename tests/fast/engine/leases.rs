//! Machines that work at the same time: who makes a layer, who waits for it, and what becomes of a machine that dies.

use std::path::Path;
use std::sync::{Arc, Barrier};
use std::time::{Duration, Instant, SystemTime};

use goldsmith::build::BuildError;
use goldsmith::digest::Sha256;
use goldsmith::event::Event;
use goldsmith::interrupt::Interrupt;
use goldsmith::plan::Plan;
use goldsmith::remote::{Directory, Found, Lacking, Listed, ObjectStore, RemoteCache, RemoteError, Turn, Version};
use serde_json::json;

use super::fixture::Fixture;
use super::remote::{LAYERS, RECIPE, Shared, build, finish, made, warnings};

/// Time after which a machine counts as dead in these tests.
const STALE: Duration = Duration::from_secs(3);

/// What a machine has waited for.
fn waits(fixture: &Fixture) -> Vec<String> {
    let wait = |event: Event| match event {
        Event::ActivityStarted { activity } if activity.starts_with("wait for") => Some(activity),
        _ => None,
    };
    fixture.events.all().into_iter().filter_map(wait).collect()
}

/// Waits until a machine waits.
fn until_it_waits(fixture: &Fixture) {
    let started = Instant::now();
    while waits(fixture).is_empty() {
        assert!(started.elapsed() < Duration::from_secs(60), "it does not wait");
        std::thread::sleep(Duration::from_millis(20));
    }
}

/// The cache as another machine sees it, which makes nothing by itself.
fn other(shared: &Shared, cache: &Path) -> Arc<RemoteCache> {
    shared.remote(Arc::new(Directory::new(&shared.root())), &shared.key(), true, cache)
}

/// The base of a plan, which nobody has.
fn base(plan: &Plan) -> Lacking {
    Lacking { key: plan.steps[0].key, parent: None }
}

/// Writes the leases that a dead machine has left.
fn left_by_the_dead(shared: &Shared, plan: &Plan, modified: SystemTime) {
    let lease = json!({ "holder": "dead", "machine": "gone", "key": shared.key().public(), "count": 7 });
    std::fs::create_dir_all(shared.root().join("leases")).expect("a directory");
    for step in &plan.steps {
        let path = shared.root().join("leases").join(step.key.to_string());
        std::fs::write(&path, lease.to_string()).expect("a file");
        std::fs::File::options().write(true).open(&path).expect("a file").set_modified(modified).expect("a time");
    }
}

#[test]
fn two_machines_that_begin_at_once_make_every_step_once() {
    let shared = Shared::new();
    let (one, two) = (shared.writer(), Fixture { unlike: "other", ..shared.writer() });
    let barrier = Barrier::new(2);
    let digests = std::thread::scope(|scope| {
        let builds = [&one, &two].map(|machine| {
            let barrier = &barrier;
            scope.spawn(move || {
                barrier.wait();
                build(machine)
            })
        });
        builds.map(|build| build.join().expect("no panic"))
    });
    assert_eq!(made(&one) + made(&two), 4, "{:?} {:?}", one.ran(), two.ran());
    assert_eq!(digests[0], digests[1]);
    // On a busy computer one of them may end before the other begins, and nobody waits.
    assert_eq!((warnings(&one), warnings(&two)), (vec![], vec![]));
    assert_eq!((shared.files("layers").len(), shared.files("leases").len()), (LAYERS, 0), "leases are given back");
}

#[test]
fn the_leases_of_a_dead_machine_are_taken_over_whatever_the_clocks_say() {
    let hour = Duration::from_secs(3600);
    for modified in [SystemTime::now() - hour, SystemTime::now() + hour] {
        let shared = Shared::new();
        let two = shared.writer();
        left_by_the_dead(&shared, &two.plan(RECIPE), modified);
        let started = Instant::now();
        build(&two);
        let took = started.elapsed();
        assert!(took > STALE, "nobody can know at once that it is dead: {took:?}");
        assert!(took < 4 * STALE, "that it is dead is found out once, not for each layer: {took:?}");
        assert_eq!((made(&two), warnings(&two)), (4, vec![]));
        assert_eq!(waits(&two), ["wait for gone, which makes `base debian bookworm`"]);
        assert_eq!((shared.files("layers").len(), shared.files("leases").len()), (LAYERS, 0));
    }
}

#[test]
fn a_machine_that_lives_keeps_its_lease_whatever_the_clocks_say() {
    let shared = Shared::new();
    let (two, dir) = (shared.writer(), tempfile::tempdir().expect("a directory"));
    let (one, plan, never) = (other(&shared, dir.path()), two.plan(RECIPE), Interrupt::new());
    let Turn::Make(Some(lease)) = one.turn(&base(&plan), &never) else { panic!("nobody else makes it") };
    std::thread::scope(|scope| {
        let build = scope.spawn(|| build(&two));
        until_it_waits(&two);
        let path = shared.root().join("leases").join(plan.steps[0].key.to_string());
        let (started, hour) = (Instant::now(), Duration::from_secs(3600));
        while started.elapsed() < 2 * STALE {
            // The clock of the store is slow.
            if let Ok(file) = std::fs::File::options().write(true).open(&path) {
                file.set_modified(SystemTime::now() - hour).expect("a time");
            }
            std::thread::sleep(Duration::from_millis(100));
        }
        assert_eq!(made(&two), 0, "it still waits");
        lease.made(0.5);
        let started = Instant::now();
        while waits(&two).len() < 2 {
            assert!(started.elapsed() < Duration::from_secs(30), "{:?}", waits(&two));
            std::thread::sleep(Duration::from_millis(20));
        }
        drop(lease);
        build.join().expect("no panic");
    });
    let step = "base debian bookworm";
    let expected = [format!("wait for host, which makes `{step}`"), format!("wait for host, which uploads `{step}`")];
    assert_eq!((made(&two), waits(&two)), (4, expected.to_vec()), "the other machine has given up");
}

#[test]
fn nobody_waits_for_ever() {
    let shared = Shared::new();
    let (two, dirs) = (shared.writer(), [(); 2].map(|()| tempfile::tempdir().expect("a directory")));
    let [one, three] = dirs.each_ref().map(|dir| other(&shared, dir.path()));
    let (base, never) = (base(&two.plan(RECIPE)), Interrupt::new());
    let Turn::Make(Some(_lease)) = one.turn(&base, &never) else { panic!("nobody else makes it") };
    let Turn::Wait(maker) = three.turn(&base, &never) else { panic!("the other machine makes it") };
    let started = Instant::now();
    let turn = three.wait(&base, maker, Duration::from_secs(1), &never, &mut |_| {});
    assert!(matches!(turn, Turn::Make(None)), "{turn:?}");
    assert!((1..4).contains(&started.elapsed().as_secs()), "{:?}", started.elapsed());

    // A user who interrupts a build that waits does not wait either.
    std::thread::scope(|scope| {
        let build = scope.spawn(|| two.build(&two.plan(RECIPE)));
        until_it_waits(&two);
        let asked = Instant::now();
        two.interrupt.raise();
        let ended = build.join().expect("no panic");
        assert!(matches!(ended, Err(BuildError::Interrupted)), "{:?}", ended.map(|disk| disk.layer.key));
        assert!(asked.elapsed() < Duration::from_secs(1), "{:?}", asked.elapsed());
    });
}

#[test]
fn a_machine_that_only_takes_waits_too_but_leaves_no_lease() {
    let shared = Shared::new();
    let (two, dir) = (shared.reader(), tempfile::tempdir().expect("a directory"));
    let (one, plan) = (other(&shared, dir.path()), two.plan(RECIPE));
    let Turn::Make(Some(lease)) = one.turn(&base(&plan), &Interrupt::new()) else { panic!("nobody else makes it") };
    std::thread::scope(|scope| {
        let build = scope.spawn(|| build(&two));
        until_it_waits(&two);
        drop(lease);
        build.join().expect("no panic");
    });
    assert_eq!((made(&two), warnings(&two)), (4, vec![]));
    assert_eq!((shared.files("layers").len(), shared.files("leases").len()), (0, 0));
}

#[test]
fn a_build_that_fails_gives_its_leases_back() {
    let shared = Shared::new();
    let mut one = shared.writer();
    one.unknown_packages = vec!["x".to_owned()];
    one.build(&one.plan(RECIPE)).expect_err("there is no such package");
    finish(&one);
    assert!(shared.root().join("leases").is_dir(), "there was a lease");
    assert_eq!(shared.files("leases").len(), 0);
}

/// A store that ignores the conditions of writes, as some do.
struct Ignoring(Directory);

impl ObjectStore for Ignoring {
    fn place(&self) -> String {
        self.0.place()
    }

    fn get(&self, name: &str, interrupt: &Interrupt) -> Result<Option<Found>, RemoteError> {
        self.0.get(name, interrupt)
    }

    fn size(&self, name: &str) -> Result<Option<u64>, RemoteError> {
        self.0.size(name)
    }

    fn put_new(&self, name: &str, content: &[u8]) -> Result<bool, RemoteError> {
        self.0.remove(name)?;
        self.0.put_new(name, content)?;
        Ok(true)
    }

    fn put_over(&self, name: &str, content: &[u8], _: &Version) -> Result<bool, RemoteError> {
        self.put_new(name, content)
    }

    fn upload(
        &self,
        name: &str,
        file: &Path,
        sha256: &Sha256,
        on_bytes: &dyn Fn(u64),
        interrupt: &Interrupt,
    ) -> Result<(), RemoteError> {
        self.0.upload(name, file, sha256, on_bytes, interrupt)
    }

    fn list(&self, folder: &str) -> Result<Vec<Listed>, RemoteError> {
        self.0.list(folder)
    }

    fn remove(&self, name: &str) -> Result<(), RemoteError> {
        self.0.remove(name)
    }

    fn touch(&self, name: &str, content: &[u8], version: &Version) -> Result<(), RemoteError> {
        self.0.touch(name, content, version)
    }

    fn remove_leftovers(&self, dry_run: bool) -> Result<Vec<String>, RemoteError> {
        self.0.remove_leftovers(dry_run)
    }
}

#[test]
fn a_store_that_ignores_conditions_has_no_leases_and_only_costs_double_work() {
    let shared = Shared::new();
    let ignoring = || shared.through(Ignoring(Directory::new(&shared.root())));
    let (one, two) = (ignoring(), Fixture { unlike: "other", ..ignoring() });
    let barrier = Barrier::new(2);
    std::thread::scope(|scope| {
        for machine in [&one, &two] {
            let barrier = &barrier;
            scope.spawn(move || {
                barrier.wait();
                build(machine);
            });
        }
    });
    assert_eq!((warnings(&one), warnings(&two)), (vec![], vec![]));
    assert_eq!((waits(&one), waits(&two)), (vec![], vec![]), "there is nothing to wait for");
    assert_eq!(shared.files("leases").len(), 0);
    let notes = std::fs::read_dir(one.cache().join("remote")).expect("a directory").flatten();
    let notes: Vec<_> = notes.map(|entry| std::fs::read_to_string(entry.path()).expect("notes")).collect();
    assert!(notes.len() == 1 && notes[0].contains("\"kept\":false"), "it is remembered: {notes:?}");
    // Whatever is there fits, or is made again.
    build(&shared.reader());
}
