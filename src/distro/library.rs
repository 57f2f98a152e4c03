//! The library of distributions: finds them in folders that the user names, in the folder beside the recipe, and in the program.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt;
use std::path::{Path, PathBuf};
use std::sync::{Arc, LazyLock};

use include_dir::{Dir, include_dir};

use super::check;
use super::mechanism::Mechanisms;
use super::schema::DistroFile;

use super::terms::decode;
use crate::yaml::{Diagnostic, Node, Source, list, near, parse, read};

static EMBEDDED: Dir<'static> = include_dir!("$CARGO_MANIFEST_DIR/distros");

static BUILT_IN: LazyLock<Arc<Distros>> = LazyLock::new(|| Arc::new(Distros::read(&[]).0));

/// Name of the file that makes a folder a distribution.
const FILE: &str = "distro.yaml";

/// The origin of a distribution.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Origin {
    /// From the program.
    BuiltIn,
    /// From a folder that holds one folder per distribution.
    Dir(PathBuf),
}

impl fmt::Display for Origin {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::BuiltIn => f.write_str("the program"),
            Self::Dir(dir) => write!(f, "{}", dir.display()),
        }
    }
}

/// A distribution, with the facts from those that it extends.
#[derive(Debug, Clone)]
pub struct Distribution {
    /// Content of the file, with the facts from the distributions that it extends.
    pub file: DistroFile,
    /// Family of the distribution.
    pub family: String,
    /// Mechanisms of the distribution.
    pub mechanisms: Mechanisms,
    /// Whether the distribution extends no other.
    pub root: bool,
    /// Origin of the distribution.
    pub origin: Origin,
    /// Remarks for the user: the distribution, or one that it extends, hides another one of the same name.
    pub hides: Vec<String>,
    pub(super) source: Arc<Source>,
}

impl Distribution {
    /// Returns the name of the distribution's file, for messages.
    pub fn file_name(&self) -> &str {
        self.source.name()
    }

    /// Returns the text of the distribution's file.
    pub fn text(&self) -> &str {
        self.source.text()
    }
}

/// All distributions that are known.
#[derive(Debug, Clone)]
pub struct Distros {
    all: BTreeMap<String, Distribution>,
    /// Names and aliases, each with the distribution's own name.
    words: BTreeMap<String, String>,
}

/// A file without errors.
struct Parsed {
    file: DistroFile,
    node: Node,
    source: Arc<Source>,
    origin: Origin,
    hides: Option<String>,
}

impl Distros {
    /// Returns the distributions of the program.
    pub fn built_in() -> Arc<Self> {
        Arc::clone(&BUILT_IN)
    }

    /// Loads the distributions of folders, in the order in which they are searched, and of the program. Returns errors of files
    /// too; the other files are still used. Folders that do not exist have no distributions.
    pub fn load(dirs: &[PathBuf]) -> (Arc<Self>, Vec<Diagnostic>) {
        if dirs.iter().all(|dir| names_in(dir).is_empty()) {
            return (Self::built_in(), Vec::new());
        }
        let mut seen = BTreeSet::new();
        let new = |dir: &&PathBuf| seen.insert(dir.canonicalize().unwrap_or_else(|_| (*dir).clone()));
        let (distros, found) = Self::read(&dirs.iter().filter(new).cloned().collect::<Vec<_>>());
        (Arc::new(distros), found)
    }

    fn read(dirs: &[PathBuf]) -> (Self, Vec<Diagnostic>) {
        let mut found = Vec::new();
        // All files, of which the first one is used.
        let mut homes: BTreeMap<String, Vec<Origin>> = BTreeMap::new();
        for dir in dirs {
            for name in names_in(dir) {
                homes.entry(name).or_default().push(Origin::Dir(dir.clone()));
            }
        }
        for dir in EMBEDDED.dirs() {
            homes.entry(dir.path().to_string_lossy().into_owned()).or_default().push(Origin::BuiltIn);
        }
        let known: BTreeSet<String> = homes.keys().cloned().collect();
        let mut parsed = BTreeMap::new();
        for (name, origins) in &homes {
            let Some(origin) = origins.first() else { continue };
            match source_of(name, origin) {
                Ok(source) => {
                    if let Some(one) = parse_file(name, source, origins, &known, &mut found) {
                        parsed.insert(name.clone(), one);
                    }
                }
                Err(fault) => found.push(*fault),
            }
        }
        let mut distros = Self { all: BTreeMap::new(), words: BTreeMap::new() };
        for name in parsed.keys() {
            if let Some(one) = complete(name, &parsed, &mut found) {
                distros.all.insert(name.clone(), one);
            }
        }
        distros.name_all(&parsed, &mut found);
        (distros, found)
    }

    /// Records names and aliases. None may stand for two distributions.
    fn name_all(&mut self, parsed: &BTreeMap<String, Parsed>, found: &mut Vec<Diagnostic>) {
        self.words.extend(parsed.keys().map(|name| (name.clone(), name.clone())));
        for (name, one) in parsed {
            let nodes = one.node.get("aliases").map_or(&[][..], Node::list);
            for (alias, node) in one.file.aliases.iter().zip(nodes) {
                if let Some(other) = self.words.insert(alias.clone(), name.clone()) {
                    let message = format!("`{alias}` is a name of `{other}` already");
                    let file = parsed.get(&other).map_or("", |other| other.source.name());
                    found.push(Diagnostic::new(&one.source, node.span, message).help(format!("{file} says so")));
                }
            }
        }
    }

    /// Returns all distributions, by name.
    pub fn iter(&self) -> impl Iterator<Item = &Distribution> {
        self.all.values()
    }

    /// Returns the distribution with a name or an alias.
    pub fn get(&self, name: &str) -> Option<&Distribution> {
        self.all.get(self.words.get(name)?)
    }

    /// Returns the first known one of names in os-release, `ID` and `ID_LIKE`, most specific first.
    pub fn recognise<'a>(&self, names: impl IntoIterator<Item = &'a str>) -> Option<&Distribution> {
        names.into_iter().find_map(|name| self.get(name))
    }

    /// Returns the names of distributions that can be bootstrapped.
    pub fn bootstrapped(&self) -> Vec<&str> {
        self.iter().filter(|one| one.file.bootstrap.is_some()).map(|one| one.file.name.as_str()).collect()
    }

    /// Returns the families, sorted.
    pub fn families(&self) -> BTreeSet<&str> {
        self.iter().map(|one| one.family.as_str()).collect()
    }

    /// Returns the keys that `packages` of elements may have: `all`, families, distributions.
    pub fn package_keys(&self) -> Vec<&str> {
        let mut keys = vec!["all"];
        keys.extend(self.families());
        keys.extend(self.all.keys().map(String::as_str).filter(|name| !self.families().contains(name)));
        keys
    }

    /// Returns the distribution with a name or an alias, or an error for the user.
    pub fn find(&self, name: &str) -> Result<&Distribution, Diagnostic> {
        self.get(name).ok_or_else(|| {
            Diagnostic::of_file(&Source::new("distros", ""), format!("unknown distribution `{name}`"))
                .did_you_mean(near(name, self.words.keys()))
                .help(format!("known here: {}; `--distros DIR` adds a folder of distributions", list(self.all.keys())))
        })
    }
}

/// Returns the names of distributions in a folder, sorted.
fn names_in(dir: &Path) -> Vec<String> {
    let entries = std::fs::read_dir(dir).into_iter().flatten().flatten();
    let named = entries.filter(|entry| entry.path().join(FILE).is_file());
    let mut names: Vec<_> = named.filter_map(|entry| entry.file_name().into_string().ok()).collect();
    names.sort();
    names
}

/// Reads the file of a distribution.
fn source_of(name: &str, origin: &Origin) -> Result<Arc<Source>, Box<Diagnostic>> {
    match origin {
        Origin::Dir(dir) => read(&dir.join(name).join(FILE)),
        Origin::BuiltIn => {
            let file = EMBEDDED.get_file(format!("{name}/{FILE}"));
            let text = file.and_then(|file| file.contents_utf8()).unwrap_or_default();
            Ok(Source::new(format!("built-in:distros/{name}/{FILE}"), text))
        }
    }
}

fn parse_file(
    name: &str,
    source: Arc<Source>,
    origins: &[Origin],
    known: &BTreeSet<String>,
    found: &mut Vec<Diagnostic>,
) -> Option<Parsed> {
    let before = found.len();
    let (node, errors) = parse(&source);
    found.extend(errors);
    let mut node = node?;
    crate::recipe::check::require(&mut node, &["name", "title"], &source, found);
    let (file, errors) = decode::<DistroFile>(&mut node, &source);
    found.extend(errors);
    check::file(&node, name, known, &source, found);
    let origin = origins.first()?.clone();
    let hides = origins.get(1).map(|other| match other {
        Origin::Dir(other) => {
            format!("distribution `{name}` of {origin} is used instead of the one of {}", other.display())
        }
        Origin::BuiltIn => format!("distribution `{name}` of {origin} is used instead of the built-in one"),
    });
    (found.len() == before).then_some(Parsed { file: file?, node, source, origin, hides })
}

/// Completes a distribution with the facts from those that it extends, and reports keys that are still missing.
fn complete(name: &str, parsed: &BTreeMap<String, Parsed>, found: &mut Vec<Diagnostic>) -> Option<Distribution> {
    let own = parsed.get(name)?;
    let mut file = own.file.clone();
    let mut chain = vec![name];
    let mut hides: Vec<String> = own.hides.iter().cloned().collect();
    let mut last = own;
    while let Some(next) = last.file.extends.as_deref() {
        let span = last.node.get("extends").map_or(last.node.span, |node| node.span);
        if chain.contains(&next) {
            // Only the first member of the circle reports it.
            if chain.iter().min() == Some(&name) && next == name {
                let message = format!("distributions extend each other in a circle: {} -> {next}", chain.join(" -> "));
                found.push(Diagnostic::new(&last.source, span, message));
            }
            return None;
        }
        // Errors of the other file are reported already.
        let parent = parsed.get(next)?;
        chain.push(next);
        inherit(&mut file, &parent.file);
        hides.extend(parent.hides.iter().cloned());
        last = parent;
    }
    let mut missing = Vec::new();
    if file.family.is_none() {
        missing.push("family".to_owned());
    }
    if file.architectures.is_empty() {
        missing.push("architectures".to_owned());
    }
    let mechanisms = file.mechanisms.complete();
    if let Err(keys) = &mechanisms {
        missing.extend(keys.iter().map(|key| format!("mechanisms.{key}")));
    }
    for key in &missing {
        found.push(
            Diagnostic::of_file(&own.source, format!("`{key}` is missing"))
                .help("`extends` takes what a file does not say from another distribution"),
        );
    }
    let (family, mechanisms) = (file.family.clone()?, mechanisms.ok()?);
    if !missing.is_empty() {
        return None;
    }
    let root = own.file.extends.is_none();
    let (origin, source) = (own.origin.clone(), Arc::clone(&own.source));
    Some(Distribution { file, family, mechanisms, root, origin, hides, source })
}

/// Fills in the keys that a distribution lacks.
fn inherit(file: &mut DistroFile, from: &DistroFile) {
    file.family = file.family.take().or_else(|| from.family.clone());
    file.user = file.user.take().or_else(|| from.user.clone());
    if file.architectures.is_empty() {
        file.architectures.clone_from(&from.architectures);
    }
    file.mechanisms = file.mechanisms.or(from.mechanisms);
    for (name, value) in &from.packages {
        file.packages.entry(name.clone()).or_insert_with(|| value.clone());
    }
    for (name, value) in &from.paths {
        file.paths.entry(name.clone()).or_insert_with(|| value.clone());
    }
    for (name, value) in &from.units {
        file.units.entry(name.clone()).or_insert_with(|| value.clone());
    }
}
