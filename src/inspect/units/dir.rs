//! Directories of units, and the links in them.

use std::collections::{BTreeMap, BTreeSet};

use super::name::Name;
use crate::guest::FileKind;
use crate::inspect::Tree;
use crate::inspect::paths::file_name;

/// A directory of units.
#[derive(Debug)]
pub(super) struct Dir<'a> {
    pub(super) path: String,
    /// Whether its files are there until the next boot only.
    pub(super) runtime: bool,
    /// Names of all that lies in it.
    pub(super) names: BTreeSet<&'a str>,
    /// Names of links that lie in it, each with the name at the end of its target.
    pub(super) links: BTreeMap<&'a str, &'a str>,
    /// Names of links in `.wants` directories and the like, each with the units whose directories these are.
    pub(super) wants: BTreeMap<&'a str, BTreeSet<&'a str>>,
    /// Templates of the names of `wants`.
    templates: BTreeSet<String>,
    /// The names of `links` by the ends of their targets: at most two for each.
    targets: BTreeMap<&'a str, Vec<&'a str>>,
}

impl Dir<'_> {
    /// Whether a link of this name starts a unit, or is another name of it.
    pub(super) fn has_link(&self, name: &str, unit: &str, is_below: bool) -> bool {
        let wanted = self.wants.contains_key(name) && (name == unit || template_of(name).as_deref() == Some(unit));
        let is_name = self.links.get(name).is_some_and(|target| {
            let (same, leads) = (name == unit && !is_below, *target == unit);
            // A link of the unit's own name that leads to the unit is no more than its place.
            same != leads
        });
        wanted || is_name
    }

    /// Whether a link of any name does.
    pub(super) fn has_any_link(&self, unit: &str, is_below: bool) -> bool {
        self.has_link(unit, unit, is_below)
            || self.templates.contains(unit)
            || self.targets.get(unit).is_some_and(|names| names.iter().any(|name| *name != unit))
    }
}

fn template_of(name: &str) -> Option<String> {
    Name::parse(name)?.template()
}

/// The links of a directory of units.
pub(super) fn dir(tree: &Tree, path: String, runtime: bool) -> Dir<'_> {
    let (mut links, mut wants) = (BTreeMap::new(), BTreeMap::<_, BTreeSet<_>>::new());
    let (mut names, mut targets) = (BTreeSet::new(), BTreeMap::<_, Vec<_>>::new());
    for entry in tree.children(&path) {
        let name = file_name(&entry.path);
        names.insert(name);
        if let Some(target) = entry.target.as_deref().map(file_name) {
            links.insert(name, target);
            let leading = targets.entry(target).or_default();
            // One of two is not the unit's own.
            if leading.len() < 2 {
                leading.push(name);
            }
        }
        let wanting = [".wants", ".requires", ".upholds"].iter().find_map(|end| name.strip_suffix(end));
        if let Some(unit) = wanting.filter(|_| entry.kind == FileKind::Directory) {
            for link in tree.children(&entry.path).into_iter().filter(|entry| entry.kind == FileKind::Symlink) {
                wants.entry(file_name(&link.path)).or_default().insert(unit);
            }
        }
    }
    let templates = wants.keys().filter_map(|name| template_of(name)).collect();
    Dir { path, runtime, names, links, wants, templates, targets }
}
