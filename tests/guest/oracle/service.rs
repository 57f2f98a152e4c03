//! Random units of systemd, and changes of their states by `service`.

use std::fmt::Write as _;

use fastrand::Rng;
use serde_json::json;

use super::action::Action;
use super::draw::{one, percent};
use super::entry::printf;

/// Where units lie, the administrator's directory first. systemd of Debian 12 links to `/lib`, not to `/usr/lib`.
const DIRS: [&str; 3] = ["/etc/systemd/system", "/usr/local/lib/systemd/system", "/lib/systemd/system"];

/// A unit, and what there is of it before.
struct Unit {
    /// What an action says: a unit, an instance, or another name of a unit.
    name: String,
    /// Name of its file, which for an instance is its template's.
    file: String,
    /// Links that its `[Install]` section asks for, below the administrator's directory.
    links: Vec<String>,
    /// The unit that its `Also=` names, with the link of that one.
    also: Option<(String, String)>,
}

/// Draws units with what is there before. `at` is a prefix of names that no other round has.
fn unit(rng: &mut Rng, at: &str, number: usize, actions: &mut Vec<Action>) -> Unit {
    let (name, file) = match rng.u8(..10) {
        ..6 => (format!("{at}-{number}.service"), format!("{at}-{number}.service")),
        ..8 => (format!("{at}-{number}@x-y.service"), format!("{at}-{number}@.service")),
        _ => (format!("{at}-{number}.timer"), format!("{at}-{number}.timer")),
    };
    let mut unit = Unit { name: name.clone(), file: file.clone(), links: Vec::new(), also: None };
    let mut write = |path: String, content: &str| {
        let meaning = format!("printf {} | write {path} 0644 0:0\n", printf(content.as_bytes()));
        actions.push(Action { recipe: json!({ "write": { "path": path, "content": content } }), meaning });
    };
    let (mut dir, there) = (one(rng, &DIRS), percent(rng, 96));
    if there {
        let mut install = String::new();
        for (key, kind) in [("WantedBy", "wants"), ("RequiredBy", "requires")] {
            if percent(rng, 65) {
                // Directories that other rounds change too must be there before: a round may end half done.
                let other = if kind == "wants" { "multi-user.target".to_owned() } else { format!("{at}-more.target") };
                let targets = [format!("{at}-odd.target"), other];
                let targets = &targets[rng.usize(..2)..];
                let _ = writeln!(install, "{key}={}", targets.join(" \\\n  "));
                unit.links.extend(targets.iter().map(|target| format!("{target}.{kind}/{name}")));
            }
        }
        if percent(rng, 20) && !file.contains('@') {
            let alias = format!("{at}-{number}-installed.{}", file.rsplit('.').next().unwrap_or_default());
            let _ = writeln!(install, "Alias={alias}");
            unit.links.push(alias);
        }
        if percent(rng, 15) {
            let also = format!("{at}-{number}.socket");
            let _ = writeln!(install, "Also={also}");
            let socket = format!("[Socket]\nListenStream=/run/x\n[Install]\nWantedBy={at}-odd.target\n");
            write(format!("{}/{also}", DIRS[0]), &socket);
            unit.also = Some((also.clone(), format!("{at}-odd.target.wants/{also}")));
        }
        let section = if install.is_empty() { String::new() } else { format!("[Install]\n{install}") };
        // systemd reads an `[Install]` section of a drop-in too.
        if percent(rng, 20) && !section.is_empty() {
            write(format!("{dir}/{file}"), "[Unit]\nDescription=x\n");
            write(format!("{}/{file}.d/50-install.conf", DIRS[0]), &section);
        } else {
            write(format!("{dir}/{file}"), &format!("[Unit]\nDescription=x\n# {section}{section}"));
        }
    } else {
        dir = DIRS[2];
    }
    let mut link = |path: String, target: String| {
        let meaning = format!("link {target} {path}\n");
        actions.push(Action { recipe: json!({ "symlink": { "path": path, "target": target } }), meaning });
    };
    let path = format!("{dir}/{file}");
    if percent(rng, 20) {
        link(format!("{}/{at}-odd.target.wants/{name}", DIRS[0]), path.clone());
    }
    if percent(rng, 6) {
        link(format!("{}/{at}-odd.target.wants/{name}", DIRS[2]), format!("../{file}"));
    }
    if percent(rng, 8) && dir != DIRS[0] {
        link(format!("{}/{name}", DIRS[0]), "/dev/null".to_owned());
    }
    if percent(rng, 7) && name == file && there {
        let other = format!("{at}-{number}-other.{}", file.rsplit('.').next().unwrap_or_default());
        link(format!("{}/{other}", one(rng, &[DIRS[0], DIRS[2]])), path);
        if percent(rng, 50) {
            unit.name.clone_from(&other);
            unit.file = other;
        }
    }
    unit
}

/// Units, changes of their states, and what they come to. `number` is that of the round.
pub(super) fn round(rng: &mut Rng, number: usize) -> Vec<Action> {
    let mut actions = Vec::new();
    let at = prefix(number);
    let units: Vec<_> = (0..rng.usize(1..4)).map(|number| unit(rng, &at, number, &mut actions)).collect();
    for _ in 0..rng.usize(1..3) {
        let mut lists = [const { Vec::new() }; 3];
        for unit in &units {
            match rng.u8(..100) {
                ..45 => lists[0].push(unit),
                ..70 => lists[1].push(unit),
                ..85 => lists[2].push(unit),
                ..92 => lists[1..].iter_mut().for_each(|list| list.push(unit)),
                ..93 => lists.iter_mut().for_each(|list| list.push(unit)),
                _ => {}
            }
        }
        if lists.iter().all(Vec::is_empty) {
            lists[0].push(&units[0]);
        }
        let present = percent(rng, 40);
        actions.push(action(rng, &lists, present));
    }
    actions
}

/// What begins the names of a round's units.
pub(super) fn prefix(number: usize) -> String {
    format!("oracle-{number}")
}

fn action(rng: &mut Rng, lists: &[Vec<&Unit>; 3], present: bool) -> Action {
    let mut recipe = json!({});
    let mut meaning = String::new();
    for (verb, units) in ["enable", "disable", "mask"].into_iter().zip(lists) {
        // `.service` may be left out.
        let bare = percent(rng, 50);
        let said = units.iter().map(|unit| match unit.name.strip_suffix(".service") {
            Some(short) if bare => short,
            _ => &unit.name,
        });
        if !units.is_empty() {
            recipe[verb] = json!(said.collect::<Vec<_>>());
        }
        for unit in units {
            let listed = |list: &[&Unit]| list.iter().any(|other| other.name == unit.name);
            if verb == "enable" && (listed(&lists[1]) || listed(&lists[2])) {
                meaning += "refuse 'it cannot be both'\n";
            }
            let also = unit.also.as_ref();
            let (other, link) = also.map_or(("", ""), |(other, link)| (other.as_str(), link.as_str()));
            let (name, file, passes) = (&unit.name, &unit.file, if present { "1" } else { "" });
            let _ = match verb {
                "enable" => {
                    writeln!(
                        meaning,
                        "enable_unit '{passes}' {name} {file} '{other}' '{link}' {}",
                        unit.links.join(" ")
                    )
                }
                "disable" => {
                    let masked_next = if listed(&lists[2]) { "1" } else { "" };
                    writeln!(meaning, "disable_unit '{passes}' {name} {file} '{masked_next}' '{other}'")
                }
                _ => writeln!(meaning, "mask_unit '{passes}' {name} {file}"),
            };
        }
    }
    if present {
        recipe["if-present"] = json!(true);
    }
    Action { recipe: json!({ "service": recipe }), meaning }
}
