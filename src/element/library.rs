//! The element library: finds elements in folders that the user names, in the one beside the recipe, and in the program.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt;
use std::path::PathBuf;
use std::sync::Arc;

use include_dir::{Dir, include_dir};

use super::asset::Folder;
use super::schema::{ElementFile, Param};
use super::steps;
use crate::distro::{self, Distros};
use crate::recipe::terms::decode;
use crate::recipe::{check, params, template};
use crate::syntax;
use crate::yaml::{Diagnostic, Diagnostics, Node, Source, near, parse, read};

static BUILT_IN: Dir<'static> = include_dir!("$CARGO_MANIFEST_DIR/elements");

/// The folders with elements, in the order in which they are searched.
#[derive(Debug, Clone)]
pub struct Library {
    dirs: Vec<PathBuf>,
    /// Distributions for which elements may have packages.
    distros: Arc<Distros>,
}

/// The origin of an element.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum ElementOrigin {
    /// From the program.
    BuiltIn,
    /// From a folder that holds one folder per element.
    Dir(PathBuf),
}

impl fmt::Display for ElementOrigin {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::BuiltIn => f.write_str("the built-in library"),
            Self::Dir(dir) => write!(f, "{}", dir.display()),
        }
    }
}

/// An element as a library has it: its templates are not rendered yet.
#[derive(Debug, Clone)]
pub struct Element {
    /// Name of the element.
    pub name: String,
    /// One sentence that says what the element adds to an image.
    pub description: String,
    /// Parameters of the element.
    pub params: BTreeMap<String, Param>,
    /// Elements that the recipe must list too; they run before this one.
    pub requires: Vec<String>,
    /// Elements that run before this one if the recipe lists them; `*` means all.
    pub after: Vec<String>,
    /// Elements that the recipe cannot list together with this one.
    pub conflicts: Vec<String>,
    /// Origin of the element.
    pub origin: ElementOrigin,
    /// Remarks for the user: the element hides another one of the same name, or its file has an old form.
    pub notes: Vec<String>,
    pub(crate) source: Arc<Source>,
    pub(crate) node: Node,
    pub(crate) folder: Folder,
}

impl Element {
    /// Returns the text of the element's `element.yaml`.
    pub fn text(&self) -> &str {
        self.source.text()
    }
}

/// The reason why an element cannot be loaded.
#[derive(Debug)]
pub(crate) enum LoadError {
    /// No folder has the element; a similar name, if there is one.
    Unknown(Option<String>),
    /// The element's file has errors.
    Faulty(Vec<Diagnostic>),
}

impl Library {
    /// Makes a library of folders, in the order in which they are searched; the program's own library comes last. Folders that
    /// do not exist have no elements; a folder that is named twice counts once.
    pub fn new(dirs: Vec<PathBuf>) -> Self {
        Self::with_distros(dirs, Distros::built_in())
    }

    /// Makes a library for other distributions than the program's own.
    pub fn with_distros(dirs: Vec<PathBuf>, distros: Arc<Distros>) -> Self {
        let mut seen = BTreeSet::new();
        let new = |dir: &PathBuf| seen.insert(dir.canonicalize().unwrap_or_else(|_| dir.clone()));
        Self { dirs: dirs.into_iter().filter(new).collect(), distros }
    }

    /// Returns every element and its origin.
    pub fn names(&self) -> BTreeMap<String, ElementOrigin> {
        let mut names = BTreeMap::new();
        for dir in &self.dirs {
            for entry in std::fs::read_dir(dir).into_iter().flatten().flatten() {
                if let Ok(name) = entry.file_name().into_string()
                    && entry.path().join("element.yaml").is_file()
                {
                    names.entry(name).or_insert_with(|| ElementOrigin::Dir(dir.clone()));
                }
            }
        }
        for dir in BUILT_IN.dirs() {
            if let Some(name) = dir.path().to_str()
                && built_in_text(name).is_some()
            {
                names.entry(name.to_owned()).or_insert(ElementOrigin::BuiltIn);
            }
        }
        names
    }

    /// Reads an element, and checks what can be checked before a recipe uses it.
    pub fn load(&self, name: &str) -> Result<Element, Diagnostics> {
        let found = match self.find(name) {
            Ok(element) => return Ok(element),
            Err(LoadError::Faulty(found)) => found,
            Err(LoadError::Unknown(near)) => {
                let dirs: Vec<_> = self.dirs.iter().map(|dir| dir.display().to_string()).collect();
                let source = Source::new([dirs.as_slice(), &["built-in".to_owned()]].concat().join(", "), "");
                vec![
                    Diagnostic::of_file(&source, format!("unknown element `{name}`"))
                        .did_you_mean(near)
                        .help("`goldsmith elements` lists all; `--elements DIR` adds a folder of elements"),
                ]
            }
        };
        Err(Diagnostics::collect(found)
            .unwrap_or_else(|| Diagnostic::of_file(&Source::new(name, ""), "the element cannot be read").into()))
    }

    pub(crate) fn find(&self, name: &str) -> Result<Element, LoadError> {
        let unknown = || LoadError::Unknown(near(name, self.names().into_keys()));
        if syntax::element_name(name).is_err() {
            return Err(unknown());
        }
        let mut homes = self.dirs.iter().filter(|dir| dir.join(name).join("element.yaml").is_file());
        let built_in = built_in_text(name);
        let Some(home) = homes.next() else {
            let (dir, text) = built_in.ok_or_else(unknown)?;
            let source = Source::new(format!("built-in:{name}/element.yaml"), text);
            return element(name, source, Folder::Embedded(dir), ElementOrigin::BuiltIn, None, &self.distros);
        };
        let hidden = homes.next().map(|dir| format!("the one of {}", dir.display()));
        let hidden = hidden.or_else(|| built_in.map(|_| "the built-in one".to_owned()));
        let note = hidden.map(|hidden| format!("element `{name}` of {} is used instead of {hidden}", home.display()));
        let folder = home.join(name);
        let source = read(&folder.join("element.yaml")).map_err(|fault| LoadError::Faulty(vec![*fault]))?;
        element(name, source, Folder::Host(folder), ElementOrigin::Dir(home.clone()), note, &self.distros)
    }
}

fn built_in_text(name: &str) -> Option<(&'static Dir<'static>, &'static str)> {
    let dir = BUILT_IN.get_dir(name)?;
    Some((dir, dir.get_file(format!("{name}/element.yaml"))?.contents_utf8()?))
}

fn element(
    name: &str,
    source: Arc<Source>,
    folder: Folder,
    origin: ElementOrigin,
    hides: Option<String>,
    distros: &Distros,
) -> Result<Element, LoadError> {
    let (node, mut found) = parse(&source);
    let Some(mut node) = node else { return Err(LoadError::Faulty(found)) };
    let old = steps::gathered(&mut node, &source, &mut found);
    check::require(&mut node, &["name", "description"], &source, &mut found);
    // Packages, actions and checks may have templates, whose variables only a recipe decides.
    let mut head = steps::names_only(node.filtered(|key| key != "packages" && key != "checks"));
    let (file, errors) = decode::<ElementFile>(&mut head, &source);
    found.extend(errors);
    check::element_head(&head, name, &source, &mut found);
    distro::package_keys(&node, distros, &source, &mut found);
    if let Some(file) = file.as_ref() {
        // Only a recipe that uses the element decides the built-ins. Here templates of defaults that use them are not checked.
        let names: BTreeSet<String> = check::BUILT_INS.iter().map(|name| (*name).to_owned()).collect();
        let variables = template::Variables { faulty: names, ..template::Variables::default() };
        params::defaults(&file.params, head.get("params"), &variables, &source, &mut found);
    }
    match file {
        Some(file) if found.is_empty() => Ok(Element {
            name: file.name,
            description: file.description,
            params: file.params,
            requires: file.requires,
            after: file.after,
            conflicts: file.conflicts,
            origin,
            notes: hides.into_iter().chain(old).collect(),
            source,
            node,
            folder,
        }),
        _ => Err(LoadError::Faulty(found)),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn library(elements: &[(&str, &str)]) -> (tempfile::TempDir, Library) {
        let folder = tempfile::tempdir().expect("a temporary folder");
        for (path, text) in elements {
            let dir = folder.path().join(path);
            std::fs::create_dir_all(&dir).expect("a folder");
            std::fs::write(dir.join("element.yaml"), text).expect("a file");
        }
        let dirs = vec![folder.path().join("one"), folder.path().join("two"), folder.path().join("none")];
        (folder, Library::new(dirs))
    }

    #[test]
    fn the_first_folder_wins_and_says_so() {
        let (folder, library) = library(&[
            ("one/mine", "name: mine\ndescription: first\n"),
            ("two/mine", "name: mine\ndescription: second\n"),
            ("two/other", "name: other\ndescription: only\n"),
        ]);
        let mine = library.load("mine").expect("it is there");
        assert_eq!(mine.description, "first");
        let (one, two) = (folder.path().join("one"), folder.path().join("two"));
        let note = format!("element `mine` of {} is used instead of the one of {}", one.display(), two.display());
        assert_eq!(mine.notes, [note]);
        let other = library.load("other").expect("it is there");
        assert_eq!((other.notes.len(), &other.origin), (0, &ElementOrigin::Dir(two)));
        assert!(library.names().contains_key("other"));
    }

    #[test]
    fn what_cannot_be_loaded_says_why() {
        let (_folder, library) = library(&[
            ("one/wrong", "name: worng\ndescription: x\n"),
            ("one/bare", "params: {}\n"),
            ("one/typo", "name: typo\ndescription: x\nconfigur: []\npackages: { debain: [x] }\n"),
            ("one/inner", "name: inner\ndescription: x\nsteps: { configur: [] }\n"),
            ("one/both", "name: both\ndescription: x\nclean: []\nsteps: { boot: [] }\n"),
        ]);
        for (name, messages) in [
            ("wrong", &["the element is named `worng`, and its folder `wrong`"][..]),
            ("bare", &["`name` is missing", "`description` is missing"]),
            ("typo", &["unknown key `configur`", "unknown distribution or family `debain`"]),
            ("inner", &["unknown key `configur`"]),
            ("both", &["`clean` stands beside `steps`"]),
            ("wrnog", &["unknown element `wrnog`"]),
            ("../one/wrong", &["unknown element `../one/wrong`"]),
        ] {
            let found = library.load(name).expect_err(name);
            assert_eq!(found.iter().map(Diagnostic::message).collect::<Vec<_>>(), messages, "{name}");
        }
    }

    #[test]
    fn every_built_in_element_can_be_loaded() {
        let library = Library::new(Vec::new());
        for name in library.names().into_keys() {
            let element = library.load(&name).unwrap_or_else(|found| panic!("{found}"));
            assert_eq!((&element.name, &element.origin), (&name, &ElementOrigin::BuiltIn));
        }
    }
}
