//! The units of an image as a set: their files, their links, and the state of each.

use std::collections::{BTreeMap, BTreeSet};

use super::dir::{Dir, dir};
use super::install::Install;
use super::name::{Kind, Name};
use super::presets::Presets;
use super::state::State;
use crate::guest::FileKind;
use crate::inspect::Tree;
use crate::inspect::paths::file_name;

/// Links between units that are followed before there must be a circle.
const FOLLOW_LIMIT: usize = 64;

/// Whose units are meant.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Scope {
    /// Those of the system.
    System,
    /// Those of every user.
    User,
}

/// Directories of units, most specific first.
const SYSTEM: [&str; 13] = [
    "/etc/systemd/system.control",
    "/run/systemd/system.control",
    "/run/systemd/transient",
    "/run/systemd/generator.early",
    "/etc/systemd/system",
    "/etc/systemd/system.attached",
    "/run/systemd/system",
    "/run/systemd/system.attached",
    "/run/systemd/generator",
    "/usr/local/lib/systemd/system",
    "/lib/systemd/system",
    "/usr/lib/systemd/system",
    "/run/systemd/generator.late",
];
const USER: [&str; 6] = [
    "/etc/systemd/user",
    "/run/systemd/user",
    "/usr/local/share/systemd/user",
    "/usr/share/systemd/user",
    "/usr/local/lib/systemd/user",
    "/usr/lib/systemd/user",
];

/// Directories in which an image has units of the system, most specific first.
pub fn image_dirs() -> impl Iterator<Item = &'static str> {
    SYSTEM.into_iter().filter(|dir| !dir.starts_with("/run/") && dir.ends_with("/system"))
}

/// The template of an instance: `getty@.service` of `getty@tty1.service`.
pub fn template_of(name: &str) -> Option<String> {
    Name::parse(name)?.template()
}

/// Files whose contents are read to find the states of units.
pub(in crate::inspect) const WANTED: &[&str] = &[
    "{/etc,/usr/local/lib,/usr/lib,/lib}/systemd/{system,user}/*.*",
    "{/etc,/usr/local/lib,/usr/lib,/lib}/systemd/{system,user}/*.d/*.conf",
    "{/etc,/usr/local/lib,/usr/lib,/lib}/systemd/{system,user}-preset/*.preset",
    "/etc/machine-id",
];

/// The units of an image.
#[derive(Debug)]
pub struct Units<'a> {
    tree: &'a Tree,
    config: &'static str,
    dirs: Vec<Dir<'a>>,
    presets: Presets,
}

/// What a unit's name leads to.
enum Found {
    Masked,
    Unit,
    /// A link to this path: another name of a unit.
    Alias(String),
    /// A link to this path, which is outside of the directories of units.
    Linked(String),
}

/// A unit while it is looked for.
struct Unit {
    name: String,
    path: String,
    install: Install,
    found: Found,
}

impl<'a> Units<'a> {
    /// The units in a tree, of which the contents of [`super::super::wanted`] were read.
    pub fn new(tree: &'a Tree, scope: Scope) -> Self {
        let (paths, config) = match scope {
            Scope::System => (&SYSTEM[..], "/etc/systemd/system"),
            Scope::User => (&USER[..], "/etc/systemd/user"),
        };
        let mut dirs: Vec<Dir<'a>> = Vec::new();
        for path in paths {
            // `/lib` is a link in most images: the same directory counts once.
            let Some(real) = tree.resolved(path, true) else { continue };
            if !dirs.iter().any(|dir| dir.path == real) {
                dirs.push(dir(tree, real, path.starts_with("/run/")));
            }
        }
        Self { tree, config, dirs, presets: Presets::read(tree, scope == Scope::User) }
    }

    /// Names of all units that have a file or a link in a directory of units, and of those that a link starts.
    pub fn names(&self) -> BTreeSet<&'a str> {
        let mut names = BTreeSet::new();
        for dir in &self.dirs {
            names.extend(dir.names.iter().filter(|name| Name::parse(name).is_some()));
            names.extend(dir.wants.keys().filter(|name| Name::parse(name).is_some()));
        }
        names
    }

    /// Units that start a unit, by links in `.wants` directories and the like, sorted.
    pub fn wanted_by(&self, name: &str) -> BTreeSet<&'a str> {
        self.dirs.iter().filter_map(|dir| dir.wants.get(name)).flatten().copied().collect()
    }

    /// Whether presets enable a unit: systemd.preset(5).
    pub fn preset(&self, name: &str) -> bool {
        self.presets.enable(name)
    }

    /// The state of a unit.
    pub fn state(&self, name: &str) -> State {
        if Name::parse(name).is_none() {
            return State::Bad;
        }
        let unit = match self.search(name) {
            Ok(unit) => self.traverse(unit),
            Err(state) => Err(state),
        };
        match unit {
            Err(state) => state,
            Ok(unit) => self.state_of(name, &unit),
        }
    }

    fn state_of(&self, asked: &str, unit: &Unit) -> State {
        if matches!(unit.found, Found::Masked) {
            return if unit.path.starts_with("/run/") { State::MaskedRuntime } else { State::Masked };
        }
        let is_instance = Name::parse(&unit.name).is_some_and(|name| name.kind == Kind::Instance);
        if asked != file_name(&unit.path) && !is_instance {
            return State::Alias;
        }
        if unit.path.starts_with("/run/systemd/generator") {
            return State::Generated;
        }
        if unit.path.starts_with("/run/systemd/transient/") {
            return State::Transient;
        }
        self.linked(unit, is_instance).unwrap_or(match (unit.install.has_rules(), unit.install.also) {
            (true, _) => State::Disabled,
            (false, true) => State::Indirect,
            (false, false) => State::Static,
        })
    }

    /// The state by links that start a unit; `None` if there are none.
    fn linked(&self, unit: &Unit, is_instance: bool) -> Option<State> {
        let mut known = vec![unit.name.clone()];
        known.extend(unit.install.aliases.iter().cloned());
        if let (Some(instance), Some(name)) = (&unit.install.default_instance, Name::parse(&unit.name)) {
            known.push(name.with_instance(instance));
        }
        let (mut enabled_runtime, mut enabled, mut linked, mut linked_runtime) = (false, false, false, false);
        let mut other_names = false;
        // Links below the unit's own file are not in force.
        let mut is_below = false;
        for dir in &self.dirs {
            let is_config = dir.path == self.config;
            let same_name = !is_below && dir.links.get(&*unit.name).is_some_and(|target| *target == unit.name);
            if known.iter().any(|name| dir.has_link(name, &unit.name, is_below)) {
                if is_config {
                    return Some(State::Enabled);
                }
                if dir.runtime { enabled_runtime = true } else { enabled = true }
            } else if same_name {
                linked |= is_config;
                linked_runtime |= dir.runtime;
            }
            let counts = is_config || dir.runtime || is_instance;
            other_names = other_names || (counts && dir.has_any_link(&unit.name, is_below));
            is_below |= unit.path.strip_prefix(&dir.path).is_some_and(|rest| rest.starts_with('/'));
        }
        match () {
            () if enabled_runtime => Some(State::EnabledRuntime),
            () if enabled && is_instance => Some(State::Static),
            () if linked => Some(State::Linked),
            () if linked_runtime => Some(State::LinkedRuntime),
            // It may be used by names that `enable` would not give it.
            () if other_names => Some(State::Indirect),
            () => None,
        }
    }

    /// Finds the file of a unit, or of its template, and its drop-ins.
    fn search(&self, name: &str) -> Result<Unit, State> {
        let parsed = Name::parse(name).ok_or(State::Bad)?;
        let template = parsed.template();
        let mut install = Install::default();
        let mut found = None;
        for file in std::iter::once(name).chain(template.as_deref()) {
            for dir in self.dirs.iter().filter(|dir| dir.names.contains(file)) {
                let path = format!("{}/{file}", dir.path);
                if let Some(what) = self.load(&parsed, &path, &mut install)? {
                    found = Some((path, what));
                    break;
                }
            }
            if found.is_some() {
                break;
            }
        }
        let Some((path, found)) = found else { return Err(State::NotFound) };
        if !matches!(found, Found::Masked) {
            self.drop_ins(&parsed, name, template.as_deref(), &mut install)?;
        }
        Ok(Unit { name: name.to_owned(), path, install, found })
    }

    /// Follows links until a unit or a mask is found.
    fn traverse(&self, mut unit: Unit) -> Result<Unit, State> {
        for _ in 0..FOLLOW_LIMIT {
            let (target, is_alias) = match &unit.found {
                Found::Masked | Found::Unit => return Ok(unit),
                Found::Alias(target) => (target.clone(), true),
                Found::Linked(target) => (target.clone(), false),
            };
            let name = Name::parse(&unit.name).ok_or(State::Bad)?;
            let end = file_name(&target);
            let other = match Name::parse(end) {
                Some(template) if name.kind == Kind::Instance && template.kind == Kind::Template => {
                    template.with_instance(name.instance())
                }
                _ => end.to_owned(),
            };
            if is_alias && other != unit.name {
                // A link to a unit that is not there is worse than no unit.
                unit = self.search(&other).map_err(|_| State::Bad)?;
                continue;
            }
            let found = self.load(&name, &target, &mut unit.install)?.ok_or(State::Bad)?;
            unit = Unit { path: target, found, ..unit };
        }
        Err(State::Bad)
    }

    /// What is at the path of a unit; `None` if there is nothing.
    fn load(&self, name: &Name<'_>, path: &str, install: &mut Install) -> Result<Option<Found>, State> {
        let Some(entry) = self.tree.find(path) else { return Ok(None) };
        if name.kind != Kind::Plain && !name.may_template() {
            return Err(State::Bad);
        }
        match entry.kind {
            FileKind::File if entry.size == 0 => Ok(Some(Found::Masked)),
            FileKind::File => {
                let text = self.tree.bytes(path).ok().flatten().ok_or(State::Bad)?;
                install.read(name, text).map_err(|_| State::Bad)?;
                Ok(Some(Found::Unit))
            }
            FileKind::Symlink => self.resolve(name, path, entry.target.as_deref().unwrap_or_default()).map(Some),
            FileKind::Directory | FileKind::Special => Err(State::Bad),
        }
    }

    /// What a link at the path of a unit means.
    fn resolve(&self, name: &Name<'_>, path: &str, target: &str) -> Result<Found, State> {
        let above = path.rsplit_once('/').map_or("", |(above, _)| above);
        let target = if target.starts_with('/') { target.to_owned() } else { format!("{above}/{target}") };
        let target = self.tree.resolved(&target, false).ok_or(State::Bad)?;
        let is_alias =
            self.dirs.iter().any(|dir| target.strip_prefix(&dir.path).is_some_and(|rest| rest.starts_with('/')));
        // A link to a unit of the same name elsewhere is no other name of anything.
        let may_lead = |other: Name<'_>| name.may_lead_to(&other) && other != *name;
        if is_alias && !Name::parse(file_name(&target)).is_some_and(may_lead) {
            return Err(State::Bad);
        }
        Ok(match is_alias {
            _ if target == "/dev/null" => Found::Masked,
            true => Found::Alias(target),
            false => Found::Linked(target),
        })
    }

    /// Reads the drop-ins of a unit: of several with one name, the most specific counts.
    fn drop_ins(
        &self,
        parsed: &Name<'_>,
        name: &str,
        template: Option<&str>,
        install: &mut Install,
    ) -> Result<(), State> {
        let mut files: BTreeMap<String, String> = BTreeMap::new();
        for unit in std::iter::once(name).chain(template) {
            let name = format!("{unit}.d");
            for dir in self.dirs.iter().filter(|dir| dir.names.contains(&*name)) {
                let directory = format!("{}/{name}", dir.path);
                for entry in self.tree.children(&directory) {
                    let file = file_name(&entry.path);
                    if file.ends_with(".conf") && !file.starts_with('.') {
                        files.entry(file.to_owned()).or_insert_with(|| format!("{directory}/{file}"));
                    }
                }
            }
        }
        for path in files.values() {
            match self.tree.follow(path) {
                Some(entry) if entry.kind == FileKind::File && entry.size > 0 => {
                    let text = self.tree.bytes(path).ok().flatten().ok_or(State::Bad)?;
                    install.read(parsed, text).map_err(|_| State::Bad)?;
                }
                _ => {}
            }
        }
        Ok(())
    }
}
