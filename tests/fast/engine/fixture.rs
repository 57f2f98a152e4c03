//! A place to build in, with everything real but the guest and the packages.

use std::collections::BTreeMap;
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use goldsmith::base::BootstrapError;
use goldsmith::build::actions::ActionError;
use goldsmith::build::{self, AfterFailure, BuildError, Examiner, FinalDisk, OnFailure, Session, Workshop};
use goldsmith::digest::Sha256;
use goldsmith::disk::DiskLayout;
use goldsmith::event::{Event, Reporter};
use goldsmith::guest::fake::{self, Content, FakeWorld, Node, Tree};
use goldsmith::guest::{Ended, Guest};
use goldsmith::interrupt::Interrupt;
use goldsmith::layer::Store;
use goldsmith::plan::{self, BasePlan, Plan, RepositoryPin, StepId};
use goldsmith::recipe::{self, Arch, Base, LoadOptions};
use goldsmith::remote::RemoteCache;

/// File of the image to which every program adds a line: what its script does.
pub(crate) const HISTORY: &str = "/history";

/// A cache, a folder of recipes, and a world of guests.
pub(crate) struct Fixture {
    pub(crate) dir: tempfile::TempDir,
    pub(crate) world: FakeWorld,
    pub(crate) events: Arc<Events>,
    pub(crate) interrupt: Interrupt,
    pub(crate) secrets: BTreeMap<String, Vec<u8>>,
    /// How many bases were made.
    pub(crate) bootstraps: Arc<AtomicUsize>,
    /// Packages that no repository has.
    pub(crate) unknown_packages: Vec<String>,
    /// Content of a file on the base, by which it is another one than that of other machines.
    pub(crate) unlike: &'static str,
    /// The cache that this machine shares with others.
    pub(crate) remote: Option<Arc<RemoteCache>>,
}

/// Everything that was reported.
#[derive(Default)]
pub(crate) struct Events(Mutex<Vec<Event>>);

impl Reporter for Events {
    fn report(&self, event: &Event) {
        self.0.lock().expect("no test panics here").push(event.clone());
    }
}

impl Events {
    /// What became of steps, in a few words each, since this was asked last.
    pub(crate) fn steps(&self) -> Vec<String> {
        let events = std::mem::take(&mut *self.0.lock().expect("no test panics here"));
        let told = |event: Event| match event {
            Event::StepCached { step, remote: false, .. } => Some(format!("{step} cached")),
            Event::StepCached { step, remote: true, .. } => Some(format!("{step} fetched")),
            Event::StepStarted { step, .. } => Some(format!("{step} started")),
            Event::StepFinished { step, .. } => Some(format!("{step} finished")),
            Event::StepFailed { step, .. } => Some(format!("{step} failed")),
            Event::Warning { message } => Some(format!("warning: {message}")),
            _ => None,
        };
        events.into_iter().filter_map(told).collect()
    }

    /// Everything, as it was reported.
    pub(crate) fn all(&self) -> Vec<Event> {
        self.0.lock().expect("no test panics here").clone()
    }

    /// Why steps were not taken from the cache.
    pub(crate) fn reasons(&self) -> Vec<String> {
        let events = self.0.lock().expect("no test panics here");
        let reason = |event: &Event| match event {
            Event::StepStarted { step, reason: Some(reason), .. } => Some(format!("{step}: {reason}")),
            _ => None,
        };
        events.iter().filter_map(reason).collect()
    }
}

/// Answers in turn; without one left, the build ends.
pub(crate) struct Answers(pub(crate) Vec<AfterFailure>);

impl OnFailure for Answers {
    fn failed(&mut self, _: &StepId, _: &ActionError, _: &mut dyn Guest) -> AfterFailure {
        if self.0.is_empty() { AfterFailure::Clean } else { self.0.remove(0) }
    }
}

/// Base and disk of recipes.
const HEAD: &str = "base: { bootstrap: { distro: debian, release: bookworm } }\ndisk: { size: 400MiB }";

impl Fixture {
    pub(crate) fn new() -> Self {
        let world = FakeWorld::new();
        remember_what_ran(&world);
        Self {
            dir: tempfile::tempdir().expect("a directory"),
            world,
            events: Arc::default(),
            interrupt: Interrupt::new(),
            secrets: BTreeMap::new(),
            bootstraps: Arc::default(),
            unknown_packages: Vec::new(),
            unlike: "",
            remote: None,
        }
    }

    /// Puts a file into the folder of recipes.
    pub(crate) fn file(&self, path: &str, content: &str, mode: u32) -> PathBuf {
        let path = self.dir.path().join("recipes").join(path);
        std::fs::create_dir_all(path.parent().expect("it has one")).expect("a directory");
        std::fs::write(&path, content).expect("a file");
        std::fs::set_permissions(&path, PermissionsExt::from_mode(mode)).expect("a mode");
        path
    }

    /// Puts an element there, which runs these lines.
    pub(crate) fn element(&self, name: &str, body: &str) {
        let text = format!("name: {name}\ndescription: for tests\n{body}\n");
        self.file(&format!("elements/{name}/element.yaml"), &text, 0o644);
    }

    /// The plan of a recipe on a bootstrapped base.
    pub(crate) fn plan(&self, body: &str) -> Plan {
        self.plan_named("image", body)
    }

    pub(crate) fn plan_named(&self, name: &str, body: &str) -> Plan {
        self.plan_of_text(&format!("name: {name}\n{HEAD}\n{body}\n"))
    }

    /// Puts a recipe on a bootstrapped base into the folder.
    pub(crate) fn below(&self, path: &str, body: &str) {
        self.file(path, &format!("name: image\n{HEAD}\n{body}\n"), 0o644);
    }

    /// The plan of a recipe that starts from one in the folder.
    pub(crate) fn plan_upon(&self, below: &str, body: &str) -> Plan {
        self.plan_of_text(&format!("name: upon\nbase: {{ recipe: {{ source: {below} }} }}\n{body}\n"))
    }

    pub(crate) fn plan_of_text(&self, text: &str) -> Plan {
        let options = LoadOptions::new(Arch::X86_64);
        let path = self.dir.path().join("recipes/recipe.yaml");
        let loaded = recipe::load_str(&path, text, &options, None).unwrap_or_else(|errors| panic!("{errors}"));
        plan_of(&loaded)
    }

    pub(crate) fn cache(&self) -> PathBuf {
        self.dir.path().join("cache")
    }

    pub(crate) fn store(&self) -> Store {
        Store::open(&self.cache()).expect("a store")
    }

    pub(crate) fn workshop(&self) -> Workshop {
        let (bootstraps, unknown, unlike) = (self.bootstraps.clone(), self.unknown_packages.clone(), self.unlike);
        let scratch = self.dir.path().join("scratch");
        std::fs::create_dir_all(&scratch).expect("a directory");
        Workshop {
            store: self.store(),
            bootstrap: Box::new(move |request, _, _| {
                bootstraps.fetch_add(1, Ordering::SeqCst);
                if !unknown.is_empty() {
                    return Err(BootstrapError::PackageNotFound { packages: unknown.clone() });
                }
                make_base(request.target, unlike);
                let layout = DiskLayout::new(request.disk, request.arch, &request.seed)?;
                for step in layout.formed(request.target.parent().expect("it has one")) {
                    if let Some(files) = step.archive() {
                        std::fs::write(files, "an archive").expect("a file");
                    }
                }
                Ok(())
            }),
            cache: self.cache(),
            scratch,
            secrets: self.secrets.clone(),
            timeout: Duration::from_secs(1800),
            reporter: self.events.clone(),
            interrupt: self.interrupt.clone(),
            network: Default::default(),
            ansible: false,
            clouds: Default::default(),
            remote: self.remote.clone(),
        }
    }

    /// A session of which every guest is one of this world.
    pub(crate) fn session<'a>(&self, workshop: &'a Workshop) -> Session<'a> {
        let world = self.world.clone();
        Session::new(workshop, Box::new(move |_| Ok(Box::new(world.launch()))))
    }

    /// Builds to the end; a failure ends the build.
    pub(crate) fn build(&self, plan: &Plan) -> Result<FinalDisk, BuildError> {
        self.build_with(plan, &mut Answers(Vec::new()))
    }

    pub(crate) fn build_with(&self, plan: &Plan, answers: &mut Answers) -> Result<FinalDisk, BuildError> {
        let workshop = self.workshop();
        let built = build::build(plan, None, self.session(&workshop), answers)?;
        build::finalize(plan, built, None)
    }

    /// Builds to the end with someone who looks at the final disk.
    pub(crate) fn build_examined(&self, plan: &Plan, examiner: &Examiner<'_>) -> FinalDisk {
        let workshop = self.workshop();
        let built = build::build(plan, None, self.session(&workshop), &mut Answers(Vec::new())).expect("it builds");
        build::finalize(plan, built, Some(examiner)).expect("it ends")
    }

    /// What ran since the world was reset.
    pub(crate) fn ran(&self) -> Vec<String> {
        self.world
            .runs()
            .iter()
            .map(|ran| ran.scripts.first().map(|script| last_line(script)).unwrap_or_default())
            .collect()
    }

    /// Nothing in the store is damaged or a leftover.
    pub(crate) fn assert_store_is_sound(&self) {
        let store = self.store();
        let findings = store.verify(&Interrupt::new(), &mut |_, _| {}).expect("readable");
        assert!(findings.is_empty(), "{findings:?}");
        for info in store.list().expect("readable") {
            assert_eq!(info.state, goldsmith::layer::LayerState::Complete, "{info:?}");
        }
    }
}

/// The plan of a loaded recipe with pins made up.
pub(crate) fn plan_of(loaded: &recipe::Loaded) -> Plan {
    let Base::Bootstrap(source) = &loaded.recipe.base else { panic!("a bootstrap") };
    let pin = |suite: &str| RepositoryPin {
        url: "http://mirror.example/debian".to_owned(),
        suite: suite.to_owned(),
        components: source.components.clone(),
        sha256: Sha256::of(suite.as_bytes()),
        date: 1_694_250_511,
    };
    let repositories = vec![pin(&source.release), pin(&format!("{}-security", source.release))];
    let base = BasePlan::Bootstrap { source: source.clone(), repositories };
    let composition = loaded.composition.clone().expect("a bootstrap's distribution is known");
    plan::resolve(&loaded.recipe, composition, base, loaded.notes.clone())
}

/// Every program adds what it does to a file of the image, so that a layer shows which programs made it.
fn remember_what_ran(world: &FakeWorld) {
    world.on_run(|command, tree| {
        let script = match &tree[command.program].content {
            Content::File(script) => last_line(script),
            other => panic!("{other:?} is no script"),
        };
        let node = tree.entry(HISTORY.to_owned()).or_insert_with(|| file(b""));
        if let Content::File(history) = &mut node.content {
            history.extend_from_slice(format!("{script}\n").as_bytes());
        }
        Ended { status: 0, tail: Vec::new() }
    });
}

fn last_line(script: &[u8]) -> String {
    String::from_utf8_lossy(script).trim_end().lines().last().unwrap_or_default().to_owned()
}

pub(crate) fn file(content: &[u8]) -> Node {
    Node { content: Content::File(content.to_vec()), mode: 0o644, owner: (0, 0) }
}

/// A small disk with what every Debian has.
fn make_base(target: &Path, unlike: &str) {
    let made = Command::new("qemu-img").args(["create", "-q", "-f", "qcow2"]).arg(target).arg("400M").status();
    assert!(made.expect("qemu-img is there").success());
    let mut tree = base_tree();
    tree.insert("/etc/unlike".to_owned(), file(unlike.as_bytes()));
    fake::set_files(target, &tree).expect("writable");
}

/// Files of a base.
pub(crate) fn base_tree() -> Tree {
    let mut tree = Tree::new();
    for dir in ["/etc", "/etc/default", "/var", "/var/lib", "/var/lib/dpkg", "/usr", "/home", "/run", "/tmp"] {
        tree.insert(dir.to_owned(), Node { content: Content::Directory, mode: 0o755, owner: (0, 0) });
    }
    let status = "Package: base-files\nStatus: install ok installed\nArchitecture: amd64\nVersion: 12.4\n";
    for (path, content) in [
        ("/var/lib/dpkg/status", status),
        ("/etc/passwd", "root:x:0:0:root:/root:/bin/bash\nwww-data:x:33:34:www:/var/www:/usr/sbin/nologin\n"),
        ("/etc/group", "root:x:0:\nadm:x:4:\nwww-data:x:34:\n"),
    ] {
        tree.insert(path.to_owned(), file(content.as_bytes()));
    }
    tree
}

/// A text file of the image on a disk.
pub(crate) fn text(tree: &Tree, path: &str) -> String {
    match tree.get(path).map(|node| &node.content) {
        Some(Content::File(content)) => String::from_utf8_lossy(content).into_owned(),
        other => panic!("{path}: {other:?}"),
    }
}

/// What made a disk, as its programs have noted it.
pub(crate) fn history(disk: &FinalDisk) -> Vec<String> {
    text(&fake::files(&disk.layer.disk), HISTORY).lines().map(str::to_owned).collect()
}
