//! Random recipes, whose meaning a plain shell script gives to the same tree of files: both trees must be the same.
//!
//! The scripts come from the reference of the actions, not from the program. Recipes are read, planned and carried out as
//! a build does, all of them in one guest, each in a directory of its own; whether one is to fail, the script says.
//! `GOLDSMITH_ORACLE_SEED` is the seed of the first case and `GOLDSMITH_ORACLE_COUNT` their number: a case that failed
//! runs alone with its own seed and a count of 1.
#![expect(clippy::unwrap_used, reason = "a test fails by panicking")]
#![expect(clippy::print_stderr, reason = "the test runner shows the seeds of a test that fails")]
#![expect(clippy::match_overlapping_arm, reason = "arms of a draw are thresholds that rise")]

mod action;
mod draw;
mod entry;
mod ground;
mod kernel;
mod service;
mod system;
mod walk;

use std::collections::BTreeSet;
use std::fmt::Write as _;
use std::path::{Path, PathBuf};
use std::time::{SystemTime, UNIX_EPOCH};

use fastrand::Rng;
use goldsmith::guest::Guest;

use super::calls::small_guest::*;
use super::trees::carry_out;
use action::{Action, Drawing};
use draw::Kinds;
use entry::{Entry, What};
use ground::Ground;

/// A recipe with what is there before it.
struct Case {
    seed: u64,
    /// Its directory in the image, and the folder of the recipe.
    place: String,
    folder: PathBuf,
    setup: Vec<Entry>,
    actions: Vec<Action>,
}

impl Case {
    fn draw(seed: u64, folders: &Path) -> Self {
        let mut rng = Rng::with_seed(seed);
        let folder = folders.join(format!("case-{seed}"));
        std::fs::create_dir_all(&folder).unwrap();
        let place = format!("/srv/case-{seed}/in");
        let setup = draw::tree(&mut rng, &Kinds { place: &place, pipes: 2, rights: false });
        let known = setup.iter().map(|entry| {
            let path = if entry.path.is_empty() { place.clone() } else { format!("{place}/{}", entry.path) };
            (path, matches!(entry.what, What::Dir | What::Link(_)))
        });
        let known = known.collect();
        let count = rng.usize(2..6);
        let mut drawing = Drawing { rng: &mut rng, folder: &folder, place: &place, known, sources: 0 };
        let actions = (0..count).map(|_| drawing.action()).collect();
        Self { seed, place, folder, setup, actions }
    }

    fn meaning(&self) -> String {
        meaning(&self.actions)
    }

    fn steps(&self) -> String {
        steps(&self.actions)
    }

    /// All that somebody needs to know who looks for a fault.
    fn told(&self, what: &str) -> String {
        let mut text = format!("\n== case {}: {what}\n{}", self.seed, self.steps());
        let _ = writeln!(text, "    meaning:\n{}", self.meaning());
        for entry in &self.setup {
            let what = match &entry.what {
                What::File(content) => format!("file `{}`", goldsmith::text::escaped(content)),
                other => format!("{other:?}"),
            };
            let (path, owner) = (&entry.path, entry.owner);
            let _ = writeln!(text, "    before: {path:?} {:04o} {owner:?} {what}", entry.mode);
        }
        text
    }
}

fn steps(actions: &[Action]) -> String {
    // JSON is YAML.
    actions.iter().fold(String::new(), |text, action| text + &format!("    - {}\n", action.recipe))
}

fn meaning(actions: &[Action]) -> String {
    actions.iter().map(|action| action.meaning.as_str()).collect()
}

/// What is wrong if only one of the script and the recipe fails. What both refuse is shown, to be looked at.
fn disagreement(name: &str, wanted: &Result<(), String>, made: &Result<(), String>) -> Option<String> {
    match (wanted, made) {
        (Ok(()), Ok(())) => None,
        (Err(wanted), Err(error)) => {
            eprintln!("{name} fails: {} | {}", error.lines().next().unwrap_or_default(), wanted.replace('\n', " "));
            None
        }
        (Ok(()), Err(error)) => Some(format!("fails, and should not: {error}")),
        (Err(error), Ok(())) => Some(format!("should fail, and does not: {error}")),
    }
}

fn number(variable: &str, default: u64) -> u64 {
    std::env::var(variable).map_or(default, |text| text.parse().unwrap_or_else(|_| panic!("{variable} is a number")))
}

#[test]
#[ignore = "needs libguestfs, a package mirror, and root for owners and chroot"]
fn random_recipes_mean_what_the_reference_says() {
    if !rustix::process::geteuid().is_root() {
        eprintln!("SKIPPED: only root can make files of all owners and change its root directory");
        return;
    }
    let (seed, count) = (number("GOLDSMITH_ORACLE_SEED", 1), number("GOLDSMITH_ORACLE_COUNT", 20));
    eprintln!("cases {seed} to {}", seed + count - 1);
    let work = tempfile::tempdir_in(env!("CARGO_TARGET_TMPDIR")).unwrap();
    // With `systemctl`, which small bases lack.
    let recipe = format!("name: oracle\n{}packages: [systemd]\n", crate::shared::SMALL);
    let image = crate::shared::image("oracle", &recipe);
    let small_guest = SmallGuest::new();
    small_guest.overlay(image.to_str().unwrap(), "1.qcow2");
    let mut guest = small_guest.launch().unwrap();
    let guest: &mut dyn Guest = &mut guest;
    guest.attach(&small_guest.path("1.qcow2")).unwrap();
    let mounts = guest.inspect().unwrap().mounts;
    guest.mount(&mounts).unwrap();
    let at = |name: &str| work.path().join(name);

    // The same tree on the host, and in both the same files of the cases.
    guest.archive(&at("begin.tar")).unwrap();
    let host = Ground::of(&at("begin.tar"), at("host"));
    let cases: Vec<_> = (seed..seed + count).map(|seed| Case::draw(seed, work.path())).collect();
    for case in &cases {
        entry::make(&case.setup, &host.root.join(case.place.trim_start_matches('/')));
    }
    ground::pack(&host.root.join("srv"), &at("srv.tar"));
    guest.unpack(&at("srv.tar"), None, "/srv").unwrap();

    let begin = SystemTime::now().duration_since(UNIX_EPOCH).unwrap().as_secs().cast_signed() - 2;
    let system = system::actions(&mut Rng::with_seed(seed));
    let meaning = meaning(&system);
    host.run(&meaning).unwrap_or_else(|error| panic!("{error}: {meaning}"));
    let wanted: Vec<_> = cases.iter().map(|case| host.run(&case.meaning())).collect();
    carry_out(guest, work.path(), &steps(&system)).unwrap_or_else(|error| panic!("{error}: {}", steps(&system)));
    let (mut told, mut refused) = (String::new(), BTreeSet::new());
    // As many changes of the kernel's arguments, and of units, as a tenth of the cases; at least ten.
    let mut rng = Rng::with_seed(seed);
    let mut refused_units = Vec::new();
    for number in 0..usize::try_from(count / 10).unwrap().max(10) {
        let round = kernel::round(&mut rng, number);
        let meaning = self::meaning(&round);
        host.run(&meaning).unwrap_or_else(|error| panic!("{error}: {meaning}"));
        if let Err(error) = carry_out(guest, work.path(), &steps(&round)) {
            let _ = writeln!(told, "\n== arguments {number} fail: {error}\n{}", steps(&round));
        }
        let round = service::round(&mut rng, number);
        let wanted = host.run(&self::meaning(&round));
        let made = carry_out(guest, work.path(), &steps(&round));
        if wanted.is_err() || made.is_err() {
            refused_units.push(service::prefix(number));
        }
        if let Some(what) = disagreement(&format!("units {number}"), &wanted, &made) {
            let _ = writeln!(told, "\n== units {number} {what}\n{}{}", steps(&round), self::meaning(&round));
        }
    }
    for (case, wanted) in cases.iter().zip(&wanted) {
        let made = carry_out(guest, &case.folder, &case.steps());
        if wanted.is_err() || made.is_err() {
            refused.insert(format!("/srv/case-{}", case.seed));
        }
        if let Some(what) = disagreement(&format!("case {}", case.seed), wanted, &made) {
            told += &case.told(&what);
        }
    }
    let holes = "cd / && find srv -xdev -type f -size +63k -printf '%b %s %p\\0' >/run/holes";
    assert_eq!(sh(guest, holes, false).unwrap().status, 0);
    guest.download("/run/holes", &at("holes")).unwrap();
    guest.archive(&at("made.tar")).unwrap();
    ground::unpack(&at("made.tar"), &at("guest"));
    let wanted = walk::list(&host.root, begin);
    let mut made = walk::list(&at("guest"), begin);
    // An archive has no holes: find(1) has seen those of the image.
    walk::with_holes(&mut made, &std::fs::read(work.path().join("holes")).unwrap());
    let differences = walk::differences(&wanted, &made, &refused);
    for case in &cases {
        let inside = format!("/srv/case-{}/", case.seed);
        let lines: Vec<_> =
            differences.iter().filter(|(path, _)| path.starts_with(&inside)).map(|(_, line)| line.as_str()).collect();
        if !lines.is_empty() {
            told += &(case.told("makes another tree") + &lines.join("\n"));
        }
    }
    let half_done = |path: &str| refused_units.iter().any(|name| path.contains(&format!("/{name}-")));
    let elsewhere = differences.iter().filter(|(path, _)| !path.starts_with("/srv/case-") && !half_done(path));
    told += &elsewhere.fold(String::new(), |text, (_, line)| text + "\n" + line);
    eprintln!("{} cases were carried out, {} were to fail", cases.len() - refused.len(), refused.len());
    eprintln!("{} rounds of units were to fail", refused_units.len());
    assert!(told.is_empty(), "{told}");
}
