//! States of units by files alone, compared with what the host's `systemctl` says of the same files.

use std::collections::BTreeMap;
use std::os::unix::fs::MetadataExt as _;
use std::path::Path;
use std::process::Command;

use fastrand::Rng;
use goldsmith::guest::{Entry, FileKind};
use goldsmith::inspect::Tree;
use goldsmith::inspect::units::{Scope, State, Units};

fn pick<'a>(random: &mut Rng, from: &[&'a str]) -> &'a str {
    from[random.usize(..from.len())]
}

const NAMES: [&str; 14] = [
    "a.service",
    "b.service",
    "a.service",
    "c.socket",
    "d.timer",
    "e.target",
    "m.mount",
    "f.slice",
    "t@.service",
    "t@x.service",
    "t@y.service",
    "u@.service",
    "u@x.service",
    "b.socket",
];

const SYSTEM: [&str; 12] = [
    "/etc/systemd/system",
    "/etc/systemd/system",
    "/usr/lib/systemd/system",
    "/usr/lib/systemd/system",
    "/usr/lib/systemd/system",
    "/lib/systemd/system",
    "/usr/local/lib/systemd/system",
    "/run/systemd/system",
    "/run/systemd/generator",
    "/run/systemd/transient",
    "/etc/systemd/system.control",
    "/run/systemd/generator.late",
];

const USER: [&str; 6] = [
    "/etc/systemd/user",
    "/etc/systemd/user",
    "/usr/lib/systemd/user",
    "/usr/lib/systemd/user",
    "/usr/local/lib/systemd/user",
    "/run/systemd/user",
];

fn section(random: &mut Rng) -> String {
    let mut text = pick(random, &["[Unit]\nDescription=x\n", "[Service]\nExecStart=/bin/true\n", "# x\n"]).to_owned();
    text.push_str(pick(random, &["[Install]\n"; 9]));
    if random.usize(..9) == 0 {
        text.push_str(pick(random, &["[X-Install]\n", "[Service]\n", "[Install\n"]));
    }
    for _ in 0..random.usize(..4) {
        let name = pick(random, &NAMES);
        text.push_str(&match random.usize(..10) {
            0 | 1 | 9 => "WantedBy=multi-user.target\n".to_owned(),
            2 => "RequiredBy=\\\n  ; comment\n\te.target\n".to_owned(),
            3 => format!("Alias={name} \"{}\"\n", pick(random, &NAMES)),
            4 => format!("Also={name}\n"),
            5 => "DefaultInstance=x\n".to_owned(),
            6 => {
                pick(random, &["WantedBy=\n", "Alias=\n", "RequiredBy=\n", "Also=\n", "DefaultInstance=\n"]).to_owned()
            }
            7 => pick(random, &["Also=no-unit\n", "WantedBy=a%i.target\n", "Also=t@%i.service\n"]).to_owned(),
            _ => pick(random, &["no assignment\n", "Wantedby=x.target\n", " WantedBy = x.target \n"]).to_owned(),
        });
    }
    text
}

fn link_target(random: &mut Rng, dirs: &[&str], own: &str) -> String {
    let of_type = own.rsplit('.').next().unwrap_or_default();
    let other = pick(random, &NAMES);
    match random.usize(..8) {
        0 => "/dev/null".to_owned(),
        1 => other.to_owned(),
        2 => format!("../../../usr/lib/systemd/system/b.{of_type}"),
        3 => format!("/nowhere/{own}"),
        4 => format!("{}/{other}", pick(random, dirs)),
        5 => format!("/opt/{own}"),
        _ => format!("{}/{}.{of_type}", pick(random, dirs), pick(random, &["a", "b"])),
    }
}

/// Makes units at random below a directory.
fn generate(random: &mut Rng, root: &Path, dirs: &[&str], scope: &str) {
    let put = |path: &str, content: Result<String, String>| {
        let path = root.join(&path[1..]);
        if std::fs::create_dir_all(path.parent().expect("it has one")).is_err() || path.symlink_metadata().is_ok() {
            return;
        }
        match content {
            Ok(text) => std::fs::write(&path, text).expect("a file"),
            Err(target) => std::os::unix::fs::symlink(target, &path).expect("a link"),
        }
    };
    std::fs::create_dir_all(root.join("usr/lib")).expect("a directory");
    // What masks and drop-ins lead to; systemctl reads it below the directory.
    put("/dev/null", Ok(String::new()));
    if random.usize(..2) == 0 {
        // An absolute link would lead out of the directory, into this machine.
        put("/lib", Err("usr/lib".to_owned()));
    }
    for _ in 0..15 + random.usize(..25) {
        let (dir, name) = (pick(random, dirs), pick(random, &NAMES));
        match random.usize(..12) {
            0..4 => put(&format!("{dir}/{name}"), Ok(section(random))),
            4 if random.usize(..3) == 0 => put(&format!("{dir}/{name}"), Ok(String::new())),
            4 | 5 => put(&format!("{dir}/{name}"), Err(link_target(random, dirs, name))),
            6..9 => {
                let by = pick(random, &["multi-user.target", "e.target", "a.service"]);
                let kind = pick(random, &["wants", "requires"]);
                // As `systemctl enable` makes them. Versions of systemd do not agree on links that lead elsewhere.
                let unit = name.replace("@x.", "@.").replace("@y.", "@.");
                let place = pick(random, &["/usr/lib/systemd/system", "..", "/nowhere", "/etc/systemd/system"]);
                put(&format!("{dir}/{by}.{kind}/{name}"), Err(format!("{place}/{unit}")));
            }
            9 => {
                let file = pick(random, &["1.conf", "2.conf", "3.txt"]);
                let content = match random.usize(..5) {
                    0 => Err("/dev/null".to_owned()),
                    1 => Ok(String::new()),
                    _ => Ok(section(random)),
                };
                put(&format!("{dir}/{name}.d/{file}"), content);
            }
            10 => {
                put(&format!("/opt/{name}"), Ok(section(random)));
                put(&format!("{dir}/{name}"), Err(format!("/opt/{name}")));
            }
            _ => {
                let above = pick(random, &["/etc", "/usr/lib", "/usr/local/lib"]);
                let rules = pick(
                    random,
                    &[
                        "disable *\n",
                        "enable a.*\ndisable *\n",
                        "# x\nenable t@.service x\n",
                        "disable t@*.service\n",
                        "disable b.socket\n",
                    ],
                );
                put(
                    &format!("{above}/systemd/{scope}-preset/{}.preset", pick(random, &["1", "2"])),
                    Ok(rules.to_owned()),
                );
            }
        }
    }
}

/// What is below a directory of the host, as a guest lists it.
fn read(root: &Path) -> Tree {
    fn walk(root: &Path, dir: &Path, entries: &mut Vec<Entry>, contents: &mut Vec<(String, Vec<u8>)>) {
        for file in std::fs::read_dir(dir).expect("a directory").flatten() {
            let (path, meta) = (file.path(), file.metadata().expect("it is there"));
            let name = format!("/{}", path.strip_prefix(root).expect("below it").display());
            let target = std::fs::read_link(&path).ok().map(|target| target.display().to_string().into());
            let kind = match () {
                () if meta.is_dir() => FileKind::Directory,
                () if target.is_some() => FileKind::Symlink,
                () => FileKind::File,
            };
            if kind == FileKind::File {
                contents.push((name.clone(), std::fs::read(&path).expect("readable")));
            }
            let mode = meta.mode() & 0o7777;
            entries.push(Entry { path: name.into(), kind, mode, uid: 0, gid: 0, size: meta.len(), stored: 0, target });
            if kind == FileKind::Directory {
                walk(root, &path, entries, contents);
            }
        }
    }
    let (mut entries, mut contents) = (Vec::new(), Vec::new());
    walk(root, root, &mut entries, &mut contents);
    Tree::new(entries, contents)
}

/// What `systemctl` prints of units below a directory.
fn systemctl(root: &Path, scope: Scope, arguments: &[&str]) -> String {
    let mut command = Command::new("systemctl");
    command.arg(format!("--root={}", root.display())).args((scope == Scope::User).then_some("--global"));
    let output = command.args(arguments).env("LC_ALL", "C").output().expect("systemctl is installed");
    String::from_utf8(output.stdout).expect("text")
}

/// Compares states and presets of one tree, and counts the states.
fn compare(seed: u64, counts: &mut BTreeMap<&'static str, usize>) {
    let random = &mut Rng::with_seed(seed.wrapping_mul(0x9e37_79b9_7f4a_7c15) | 1);
    let dir = tempfile::tempdir().expect("a directory");
    let (scope, dirs, name) =
        if seed.is_multiple_of(5) { (Scope::User, &USER[..], "user") } else { (Scope::System, &SYSTEM[..], "system") };
    generate(random, dir.path(), dirs, name);
    let tree = read(dir.path());
    let units = Units::new(&tree, scope);
    let files = || {
        let mut find = Command::new("sh");
        find.current_dir(&dir).args(["-c", "find . ! -type d -printf '%p -> %l\\n' -type f -exec cat {} \\;"]);
        String::from_utf8_lossy(&find.output().expect("find").stdout).into_owned()
    };
    let listed = systemctl(dir.path(), scope, &["list-unit-files", "--no-legend", "--no-pager", "--full", "--plain"]);
    for line in listed.lines() {
        let [unit, state, preset] = line.split_ascii_whitespace().collect::<Vec<_>>()[..] else { panic!("{line}") };
        let found = units.state(unit);
        assert_eq!(found.word(), state, "seed {seed}: {unit}\n{}", files());
        assert!(units.names().contains(unit), "seed {seed}: {unit}\n{}", files());
        // The list passes over the instances of a rule.
        if preset != "-" && !unit.contains("@x") {
            let said = if units.preset(unit) { "enabled" } else { "disabled" };
            assert_eq!(said, preset, "seed {seed}: preset of {unit}\n{}", files());
        }
        *counts.entry(found.word()).or_default() += 1;
    }
    // Instances have no files, most of the time.
    let is_listed = |unit: &str| listed.lines().any(|line| line.starts_with(unit));
    for unit in ["t@x.service", "t@y.service"].into_iter().filter(|unit| !is_listed(unit)) {
        let state = systemctl(dir.path(), scope, &["is-enabled", unit]);
        let found = units.state(unit);
        let said = if matches!(found, State::Bad | State::NotFound) { "" } else { found.word() };
        let state = if matches!(state.trim(), "bad" | "not-found") { "" } else { state.trim() };
        assert_eq!(said, state, "seed {seed}: {unit}\n{}", files());
    }
}

/// Trees of files that are compared: more have been by hand, and each takes three calls of `systemctl`.
const TREES: u64 = 50;

#[test]
fn states_of_units_are_those_that_systemctl_tells() {
    let mut counts = BTreeMap::new();
    for seed in 1..=TREES {
        compare(seed, &mut counts);
    }
    // The generator makes all of them.
    for state in [
        "enabled",
        "enabled-runtime",
        "linked",
        "alias",
        "masked",
        "masked-runtime",
        "static",
        "disabled",
        "indirect",
        "generated",
        "transient",
        "bad",
    ] {
        assert!(counts.get(state).is_some_and(|count| *count > 0), "{state}: {counts:?}");
    }
}
