//! Reads configuration files and variables into values, with all errors at once.

use std::path::{Component, Path, PathBuf};
use std::sync::Arc;

use clap::Command;
use serde_json::{Value as Json, json};

use super::keys::{KEYS, Key, Kind};
use super::options::complaint;
use super::place::{Entries, Entry, Origin, PROJECT};
use crate::yaml::{Diagnostic, Node, Source, Span, Value, list, near, parse, read};

/// A configuration file.
pub(super) struct ConfigFile<'a> {
    pub(super) path: &'a Path,
    /// Whether it is the file of a project, which may be a stranger's.
    pub(super) project: bool,
    /// The user's home directory.
    pub(super) home: Option<&'a Path>,
    /// The grammar of the command line, whose options check values.
    pub(super) grammar: &'a Command,
}

impl ConfigFile<'_> {
    /// Reads the file.
    pub(super) fn entries(&self, found: &mut Vec<Diagnostic>) -> Entries {
        let mut entries = Entries::new();
        let source = match read(self.path) {
            Ok(source) if source.text().trim().is_empty() => return entries,
            Ok(source) => source,
            Err(fault) => {
                found.push(*fault);
                return entries;
            }
        };
        let (node, errors) = parse(&source);
        found.extend(errors);
        let Some(node) = node else { return entries };
        let Some(map) = node.map() else {
            // A file of comments only.
            if node.value != Value::Null {
                let message = format!("a configuration is a map of keys and values, and this is {}", node.describe());
                found.push(Diagnostic::new(&source, node.span, message));
            }
            return entries;
        };
        for (name, node) in &map.entries {
            let Some(key) = KEYS.iter().find(|key| key.name == name.text) else {
                found.push(self.unknown(&name.text, name.span, &source));
                continue;
            };
            if self.project && !key.project {
                let message = format!("the file of a project cannot set `{}`", key.name);
                let variable = key.variable.map(|name| format!(", or ${name}")).unwrap_or_default();
                let help = format!("only the user decides it: ~/.config/goldsmith/config.yaml{variable}");
                found.push(Diagnostic::new(&source, name.span, message).help(help));
                continue;
            }
            if let Some(value) = self.value(key, node, &source, found) {
                let place = source.position(node.span.start);
                let file = source.name().to_owned();
                let origin = Origin::File { file, line: place.line, column: place.column };
                entries.insert(key.name, Entry { value, origin });
            }
        }
        entries
    }

    fn unknown(&self, name: &str, span: Span, source: &Arc<Source>) -> Diagnostic {
        let names = || KEYS.iter().map(|key| key.name);
        let diagnostic = Diagnostic::new(source, span, format!("unknown key `{name}`"));
        let diagnostic = diagnostic.did_you_mean(near(name, names())).help(format!("known here: {}", list(names())));
        if self.project && ["base", "name", "include"].contains(&name) {
            return diagnostic.help(format!("{PROJECT} is the configuration of a project: give a recipe another name"));
        }
        diagnostic
    }

    /// Reads a value.
    fn value(&self, key: &Key, node: &Node, source: &Arc<Source>, found: &mut Vec<Diagnostic>) -> Option<Json> {
        let value = match (key.kind, &node.value) {
            (Kind::Mirrors, _) => return mirrors(node, source, found),
            (Kind::Path, Value::Str(text)) => json!(self.path(text, node, source, found)?),
            (Kind::Paths, Value::List(nodes)) => {
                let mut paths = Vec::new();
                for node in nodes {
                    match node.text() {
                        Some(text) => paths.extend(self.path(text, node, source, found)),
                        None => found.push(misfit("a path", node, source)),
                    }
                }
                json!(paths)
            }
            (Kind::Address, Value::Str(text)) => json!(self.address(text, node, source, found)?),
            (Kind::Keys, Value::List(nodes)) => {
                let mut keys = Vec::new();
                for node in nodes {
                    match node.text() {
                        // A key is no path; a path is that of a file.
                        Some(text) => keys.push(match self.path(text, node, source, found) {
                            Some(path) if path.is_file() => path.display().to_string(),
                            _ => text.to_owned(),
                        }),
                        None => found.push(misfit("a key, or a file with one", node, source)),
                    }
                }
                json!(keys)
            }
            (Kind::Text | Kind::Word(_), Value::Str(text)) => json!(text),
            (Kind::Number, Value::Int(number)) => json!(number),
            (Kind::Flag, Value::Bool(flag)) => json!(flag),
            (kind, _) => {
                found.push(misfit(kind.words(), node, source));
                return None;
            }
        };
        match complaint(key, &value, self.grammar) {
            None => Some(value),
            Some(message) => {
                found.push(Diagnostic::new(source, node.span, message));
                None
            }
        }
    }

    /// Returns the address of a bucket or registry as it is, and a path as an absolute one. A project names no directory of this computer.
    fn address(&self, text: &str, node: &Node, source: &Arc<Source>, found: &mut Vec<Diagnostic>) -> Option<String> {
        // Whether a login may go over http, no project decides.
        let registry = text.starts_with("oci://") && !(self.project && text.contains('?'));
        if text.starts_with("s3://") || registry {
            return Some(text.to_owned());
        }
        if self.project {
            let message = format!("the file of a project cannot name `{}`", crate::address::shown(text));
            let help =
                "name a bucket or a registry: s3://BUCKET/PREFIX?endpoint=https://HOST, oci://REGISTRY/REPOSITORY";
            found.push(Diagnostic::new(source, node.span, message).help(help));
            return None;
        }
        if text.contains("://") {
            return Some(text.to_owned());
        }
        self.path(text, node, source, found).map(|path| path.display().to_string())
    }

    /// Returns a path of the file as an absolute one. That of a project lies in its directory, because a recipe reaches no other.
    fn path(&self, text: &str, node: &Node, source: &Arc<Source>, found: &mut Vec<Diagnostic>) -> Option<PathBuf> {
        let dir = self.path.parent().unwrap_or(Path::new("."));
        let path = match (text.strip_prefix("~/"), self.home) {
            (Some(rest), Some(home)) => home.join(rest),
            _ => dir.join(text),
        };
        if self.project && !is_within(text, &path, dir) {
            let message = format!("`{text}` leads out of the directory of the project");
            let help = format!("name a path below {}, without `..` and links out of it", dir.display());
            found.push(Diagnostic::new(source, node.span, message).help(help));
            return None;
        }
        std::path::absolute(path.components().collect::<PathBuf>()).ok()
    }
}

/// Reports a value of another kind.
fn misfit(expected: &str, node: &Node, source: &Arc<Source>) -> Diagnostic {
    Diagnostic::new(source, node.span, format!("expected {expected}, found {}", node.describe()))
}

/// Returns whether a path lies in a directory, with all links on its way followed.
fn is_within(text: &str, path: &Path, dir: &Path) -> bool {
    let plain = Path::new(text).components().all(|part| matches!(part, Component::Normal(_) | Component::CurDir));
    // What does not exist yet is made below the last directory that does.
    let existing = path.ancestors().find_map(|above| above.canonicalize().ok());
    let inside = existing.zip(dir.canonicalize().ok()).is_some_and(|(existing, dir)| existing.starts_with(dir));
    plain && !text.starts_with('~') && inside
}

/// Reads mirrors: a URL for each distribution, or the URLs of its two archives.
fn mirrors(node: &Node, source: &Arc<Source>, found: &mut Vec<Diagnostic>) -> Option<Json> {
    let before = found.len();
    let mut wrong = |span: Span, message: String, help: &str| {
        found.push(Diagnostic::new(source, span, message).help(help));
    };
    let Some(map) = node.map() else {
        let help = "write `NAME: http://mirror.example.org/NAME`, with the name of a distribution";
        wrong(node.span, format!("expected a map, found {}", node.describe()), help);
        return None;
    };
    let mut all = serde_json::Map::new();
    for (name, node) in &map.entries {
        let mut urls = serde_json::Map::new();
        let whole = [("main".to_owned(), name.span, node)];
        let parts = node.map().map(|map| map.entries.iter());
        let parts = parts.map(|parts| parts.map(|(key, node)| (key.text.clone(), key.span, node)).collect());
        for (archive, span, node) in parts.unwrap_or_else(|| whole.to_vec()) {
            let misfit = || Err(format!("expected a URL, found {}", node.describe()));
            let fault = node.text().map_or_else(misfit, crate::syntax::url);
            match fault {
                _ if !["main", "security"].contains(&archive.as_str()) => {
                    wrong(span, format!("unknown archive `{archive}`"), "known here: `main`, `security`");
                }
                Err(message) => wrong(node.span, message, "write `http://mirror.example.org/NAME`"),
                Ok(()) => drop(urls.insert(archive, json!(node.text()))),
            }
        }
        all.insert(name.text.clone(), Json::Object(urls));
    }
    (found.len() == before).then_some(Json::Object(all))
}

/// Reads the variables. An empty one sets nothing.
pub(super) fn variables(
    variable: &dyn Fn(&str) -> Option<String>,
    grammar: &Command,
    found: &mut Vec<Diagnostic>,
) -> Entries {
    let mut entries = Entries::new();
    for key in KEYS {
        let Some((name, text)) = key.variable.and_then(|name| Some((name, variable(name)?))) else { continue };
        if text.is_empty() {
            continue;
        }
        let paths = || std::env::split_paths(&text).filter(|path| path != Path::new("")).collect::<Vec<_>>();
        let read = match key.kind {
            Kind::Flag => match text.as_str() {
                "1" => Some(json!(true)),
                "0" => Some(json!(false)),
                text => text.parse::<bool>().map(|flag| json!(flag)).ok(),
            },
            Kind::Number => text.parse::<i64>().map(|number| json!(number)).ok(),
            Kind::Paths => Some(json!(paths())),
            Kind::Keys => Some(json!(text.split([' ', ',']).filter(|key| !key.is_empty()).collect::<Vec<_>>())),
            Kind::Path | Kind::Text | Kind::Word(_) | Kind::Mirrors | Kind::Address => Some(json!(text)),
        };
        let read = read.ok_or_else(|| format!("expected {}, found `{text}`", key.kind.words()));
        let read = read.and_then(|value| complaint(key, &value, grammar).map_or(Ok(value), Err));
        match read {
            Ok(value) => drop(entries.insert(key.name, Entry { value, origin: Origin::Variable { variable: name } })),
            Err(message) => {
                let place = format!("${name}");
                found.push(Diagnostic::of_file(&Source::new(place.clone(), ""), format!("`{place}`: {message}")));
            }
        }
    }
    entries
}
