//! Where a recipe and its elements say something: `web.yaml:12:5`.

use std::path::{Path, PathBuf};
use std::sync::Arc;

use crate::distro::Distros;
use crate::element::library::{Element, Library};
use crate::pipeline;
use crate::vocabulary::{Phase, StepId};
use crate::yaml::{self, Node, Source, Span};

/// The files of a recipe, and its elements.
pub(super) struct Places {
    /// The recipe's own file, and the files that it includes.
    files: Vec<(Arc<Source>, Node)>,
    library: Library,
}

impl Places {
    /// Reads the files of a recipe. It had no errors a moment ago, so a file that cannot be read now has no places.
    pub(super) fn of(source: &pipeline::Source, elements: &[PathBuf], distros: Arc<Distros>) -> Self {
        let folder = source.path.parent().unwrap_or(Path::new("")).to_owned();
        let included = source.loaded.recipe.included.keys().map(|file| folder.join(file));
        let mut dirs = elements.to_vec();
        let mut files = Vec::new();
        for path in std::iter::once(source.path.clone()).chain(included) {
            dirs.push(path.parent().unwrap_or(Path::new("")).join("elements"));
            let Ok(source) = yaml::read(&path) else { continue };
            if let (Some(node), _) = yaml::parse(&source) {
                files.push((source, node));
            }
        }
        Self { files, library: Library::with_distros(dirs, distros) }
    }

    /// Returns an element of the recipe.
    pub(super) fn element(&self, name: &str) -> Option<Element> {
        self.library.load(name).ok()
    }

    /// Returns where the recipe lists an element.
    pub(super) fn listed(&self, element: &str) -> Option<String> {
        self.files.iter().find_map(|(source, node)| {
            let is_it = |item: &&Node| item.text() == Some(element) || item.key(element).is_some();
            let item = node.get("elements")?.list().iter().find(is_it)?;
            Some(place(source, item.span))
        })
    }

    /// Returns where the recipe itself asks for a package.
    pub(super) fn asked(&self, package: &str) -> Option<String> {
        self.files.iter().find_map(|(source, node)| {
            let item = node.get("packages")?.list().iter().find(|item| item.text() == Some(package))?;
            Some(place(source, item.span))
        })
    }

    /// Returns where an element asks for a package, or where its packages begin if a template makes the name.
    pub(super) fn asked_by(&self, element: &str, package: &str) -> Option<String> {
        let element = self.element(element)?;
        let packages = element.node.get("packages")?;
        let lists = packages.map()?.entries.iter().flat_map(|(_, list)| list.list());
        let span = lists.clone().find(|item| item.text() == Some(package)).map_or(packages.span, |item| item.span);
        Some(place(&element.source, span))
    }

    /// Returns where the actions of a step are written: those of an element, or of a file of the recipe. `number` is that of one
    /// action, counted from 0; it is found if no action was left out by a condition.
    pub(super) fn step(&self, step: &StepId, action: Option<(usize, usize)>) -> Option<String> {
        let phase = step.phase.name();
        if matches!(step.phase, Phase::Base | Phase::Finalize) {
            return None;
        }
        let of = |source: &Arc<Source>, list: &Node| {
            let one = action.filter(|(_, count)| list.list().len() == *count).and_then(|(at, _)| list.list().get(at));
            place(source, one.unwrap_or(list).span)
        };
        if let Some(element) = self.element(&step.element).filter(|_| self.listed(&step.element).is_some()) {
            return element.node.get("steps")?.get(phase).map(|list| of(&element.source, list));
        }
        let own = |(source, node): &(Arc<Source>, Node)| {
            Some(of(source, node.get("steps").and_then(|steps| steps.get(phase)).or_else(|| node.get(phase))?))
        };
        // The steps of an included file have its path, and those of the recipe the recipe's name.
        let named = |source: &Source| Path::new(source.name()).ends_with(&step.element);
        let included = self.files.iter().skip(1).find(|(source, _)| named(source));
        included.or(self.files.first()).and_then(own)
    }
}

/// Returns a place for people: `web.yaml:12:5`.
fn place(source: &Source, span: Span) -> String {
    let position = source.position(span.start);
    format!("{}:{}:{}", source.name(), position.line, position.column)
}
