//! Reads the files that a recipe includes, and the files that those include.

use std::collections::BTreeSet;
use std::path::{Component, Path, PathBuf};
use std::sync::Arc;

use crate::digest::Sha256;
use crate::yaml::{Diagnostic, Node, Source, Value, near, parse, read};

/// Key that names included files.
const KEY: &str = "include";

/// Most files of a recipe.
const MAX_FILES: usize = 64;

/// A file of a recipe: the recipe itself, or an included file.
#[derive(Debug)]
pub(in crate::recipe) struct File {
    /// Path from the folder of the recipe; empty for the recipe itself.
    pub(in crate::recipe) name: String,
    /// Folder of the file, from the folder of the recipe: relative paths in the file begin here.
    pub(in crate::recipe) dir: PathBuf,
    /// Content without the key `include`. Spans are places in [`Files::source`].
    pub(in crate::recipe) node: Node,
    /// Digest of the file's text.
    pub(in crate::recipe) digest: Sha256,
    /// Numbers of the files that it includes, also indirectly.
    pub(in crate::recipe) includes: BTreeSet<usize>,
    /// Number of the file in the order of reading.
    pub(super) number: usize,
}

impl File {
    /// Returns the folder of the file, whose recipe lies in a folder.
    pub(in crate::recipe) fn folder(&self, recipe: &Path) -> PathBuf {
        if self.dir.as_os_str().is_empty() { recipe.to_owned() } else { recipe.join(&self.dir) }
    }
}

/// All files of a recipe.
#[derive(Debug)]
pub(in crate::recipe) struct Files {
    /// The texts of all files, at which errors point.
    pub(in crate::recipe) source: Arc<Source>,
    /// The files in the order in which they count: every file after those that it includes, the recipe last.
    pub(in crate::recipe) all: Vec<File>,
}

impl Files {
    /// Returns the file that a place is in.
    pub(in crate::recipe) fn at(&self, byte: usize) -> &File {
        let number = self.source.number(byte);
        self.all.iter().find(|file| file.number == number).expect("every place is in a file")
    }

    /// Returns the included files, each before those that it includes.
    pub(in crate::recipe) fn included(&self) -> impl Iterator<Item = &File> {
        self.all.iter().rev().skip(1)
    }
}

/// Reads the files that a recipe includes. Returns `None` if the recipe cannot be read, or an included file has an error that would
/// lead to others.
pub(in crate::recipe) fn files(path: &Path, source: &Arc<Source>, found: &mut Vec<Diagnostic>) -> Option<Files> {
    let (root, errors) = parse(source);
    found.extend(errors);
    let root = root?;
    if root.get(KEY).is_none() {
        let (name, dir, digest) = (String::new(), PathBuf::new(), Sha256::of(source.text().as_bytes()));
        let file = File { name, dir, node: root, digest, includes: BTreeSet::new(), number: 0 };
        return Some(Files { source: Arc::clone(source), all: vec![file] });
    }
    let mut reading = Reading { sources: Vec::new(), known: Vec::new(), files: Vec::new(), end: 0, whole: true, found };
    reading.file(Place { path, dir: Path::new(""), name: "" }, source, root);
    let Reading { sources, files, whole, .. } = reading;
    whole.then(|| Files { source: Source::joined(&sources), all: files })
}

/// A file that is read now.
#[derive(Clone, Copy)]
struct Place<'a> {
    path: &'a Path,
    dir: &'a Path,
    name: &'a str,
}

/// A file that was found.
struct Known {
    /// Path without links; the same file can have several names.
    path: PathBuf,
    name: String,
    /// Whether the files that it includes are still being read.
    open: bool,
}

struct Reading<'f> {
    /// Texts of the files, in the order in which they are read.
    sources: Vec<Arc<Source>>,
    known: Vec<Known>,
    files: Vec<File>,
    /// Byte at which the next file begins.
    end: usize,
    /// Whether every file could be read.
    whole: bool,
    found: &'f mut Vec<Diagnostic>,
}

impl Reading<'_> {
    /// Reads what a file includes, and then adds the file itself. Returns its number.
    fn file(&mut self, place: Place<'_>, source: &Arc<Source>, root: Node) -> usize {
        let number = self.sources.len();
        let start = self.end;
        self.sources.push(Arc::clone(source));
        self.end += source.text().len() + 1;
        let path = place.path.canonicalize().unwrap_or_else(|_| place.path.to_owned());
        self.known.push(Known { path, name: place.name.to_owned(), open: true });
        let mut includes = BTreeSet::new();
        let entries = root.get(KEY).cloned();
        match entries.as_ref().map(|node| (&node.value, node)) {
            None | Some((Value::Null, _)) => {}
            Some((Value::List(entries), _)) => {
                for entry in entries {
                    let Some(included) = self.entry(place, source, entry) else { continue };
                    includes.insert(included);
                    let below = self.files.iter().find(|file| file.number == included).map(|file| &file.includes);
                    includes.extend(below.into_iter().flatten().copied());
                }
            }
            Some((_, node)) => {
                let message = format!("expected a list of files, found {}", node.describe());
                self.fault(Diagnostic::new(source, node.span, message).help("write `include: [FILE]`"));
            }
        }
        let mut node = root.filtered(|key| key != KEY);
        node.shift(start);
        self.known[number].open = false;
        self.files.push(File {
            name: place.name.to_owned(),
            dir: place.dir.to_owned(),
            node,
            digest: Sha256::of(source.text().as_bytes()),
            includes,
            number,
        });
        number
    }

    /// Reads the file that an entry of `include` names, unless it was read before. Returns its number.
    fn entry(&mut self, place: Place<'_>, source: &Arc<Source>, entry: &Node) -> Option<usize> {
        let Some(text) = entry.text().filter(|text| !text.is_empty()) else {
            let message = format!("expected the path of a file, found {}", entry.describe());
            self.fault(Diagnostic::new(source, entry.span, message));
            return None;
        };
        if ["{{", "{%", "{#"].iter().any(|mark| text.contains(mark)) {
            let message = "the path of an included file has no templates";
            let help = "parameters have no values yet: write `when` beside actions and elements of the included file";
            self.fault(Diagnostic::new(source, entry.span, message).help(help));
            return None;
        }
        let path = place.path.with_file_name(text);
        let same = path.canonicalize().unwrap_or_else(|_| path.clone());
        if let Some(number) = self.known.iter().position(|known| known.path == same) {
            if self.known[number].open {
                self.fault(self.circle(number, source, entry));
                return None;
            }
            return Some(number);
        }
        if self.sources.len() >= MAX_FILES {
            let message = format!("a recipe has at most {MAX_FILES} files");
            self.fault(Diagnostic::new(source, entry.span, message));
            return None;
        }
        let included = match read(&path) {
            Ok(included) => included,
            Err(error) => {
                let diagnostic = Diagnostic::new(source, entry.span, format!("`{text}`: {}", error.message()));
                let diagnostic = diagnostic.did_you_mean(meant(&path, text));
                self.fault(diagnostic.help("the path begins in the folder of the file that includes it"));
                return None;
            }
        };
        let (root, errors) = parse(&included);
        self.whole &= errors.is_empty();
        self.found.extend(errors);
        let root = root?;
        if root.map().is_none() {
            let message = format!("an included file has keys of a recipe, and this is {}", root.describe());
            self.fault(Diagnostic::new(&included, root.span, message));
            return None;
        }
        let dir = place.dir.join(Path::new(text).parent().unwrap_or(Path::new("")));
        let dir: PathBuf = dir.components().filter(|part| *part != Component::CurDir).collect();
        let name = normal(&place.dir.join(text));
        Some(self.file(Place { path: &path, dir: &dir, name: &name }, &included, root))
    }

    fn circle(&self, number: usize, source: &Arc<Source>, entry: &Node) -> Diagnostic {
        let open = self.known[number..].iter().filter(|known| known.open);
        let name = |known: &Known| if known.name.is_empty() { "the recipe".to_owned() } else { known.name.clone() };
        let mut names: Vec<_> = open.map(name).collect();
        names.extend(names.first().cloned());
        let message = format!("files include each other in a circle: {}", names.join(" -> "));
        Diagnostic::new(source, entry.span, message).help("take one of these files out of an `include`")
    }

    fn fault(&mut self, diagnostic: Diagnostic) {
        self.whole = false;
        self.found.push(diagnostic);
    }
}

/// Returns the file that was probably meant, as it would be written.
fn meant(path: &Path, text: &str) -> Option<String> {
    let wanted = path.file_name()?.to_str()?;
    let folder = match path.parent() {
        Some(parent) if parent != Path::new("") => parent,
        _ => Path::new("."),
    };
    let entries = std::fs::read_dir(folder).ok()?.flatten();
    let names: Vec<String> = entries.filter_map(|entry| entry.file_name().into_string().ok()).collect();
    let name = near(wanted, names.iter().filter(|name| *name != wanted))?;
    Some(Path::new(text).with_file_name(name).display().to_string())
}

/// Returns a path without `.` and, where that is possible, without `..`.
pub(in crate::recipe) fn normal(path: &Path) -> String {
    let mut parts = PathBuf::new();
    for component in path.components() {
        match component {
            Component::CurDir => {}
            Component::ParentDir if matches!(parts.components().next_back(), Some(Component::Normal(_))) => {
                parts.pop();
            }
            other => parts.push(other),
        }
    }
    parts.display().to_string()
}
