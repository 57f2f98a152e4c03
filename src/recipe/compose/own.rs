//! The part of a composition that the recipe itself brings: what its files say, rendered for a distribution.

use std::collections::BTreeSet;
use std::path::Path;

use serde::Deserialize;

use super::step::step;
use crate::element::asset::Folder;
use crate::element::schema::{Check, Steps};
use crate::image::Output;
use crate::recipe::check;
use crate::recipe::composition::ComposedStep;
use crate::recipe::element_use::ElementUse;
use crate::recipe::include::{File, Files, merge, relocated};
use crate::recipe::publish::Target;
use crate::recipe::template::{Variables, render};
use crate::recipe::terms::decode;
use crate::yaml::{Diagnostic, Node};

/// Keys of a recipe that see all built-ins.
pub(in crate::recipe) const BODY: [&str; 5] = ["elements", "packages", STEPS, "checks", "publish"];

/// Key of the actions. Every file has steps of its own, because its scripts lie in its own folder.
const STEPS: &str = "steps";

/// The part of a recipe that is rendered for a distribution, without its actions.
#[derive(Debug, Default, Deserialize)]
#[serde(default)]
struct Body {
    elements: Vec<ElementUse>,
    packages: Vec<String>,
    checks: Vec<Check>,
    publish: Vec<Target>,
}

/// The actions of one file.
#[derive(Debug, Default, Deserialize)]
#[serde(default)]
struct Acts {
    steps: Steps,
}

/// A recipe whose distribution is not decided yet.
#[derive(Clone, Copy)]
pub(in crate::recipe) struct Own<'a> {
    pub(in crate::recipe) files: &'a Files,
    /// Folder of the recipe.
    pub(in crate::recipe) dir: &'a Path,
    pub(in crate::recipe) name: &'a str,
    /// Name of its steps: that of the image, or of the file if it describes several images, which share steps.
    pub(in crate::recipe) steps: &'a str,
    /// Files to make from the disk; `None` if the recipe does not decode.
    pub(in crate::recipe) outputs: Option<&'a [Output]>,
}

/// What a recipe brings. Each element has the tree that it was read from.
#[derive(Default)]
pub(super) struct Brought {
    pub(super) elements: Vec<(ElementUse, Node)>,
    pub(super) packages: Vec<String>,
    pub(super) steps: Vec<ComposedStep>,
    pub(super) checks: Vec<Check>,
    pub(super) publish: Vec<Target>,
}

impl Own<'_> {
    /// Renders what the files of the recipe say, and merges it.
    pub(super) fn rendered(
        self,
        variables: &Variables,
        secrets: &BTreeSet<&str>,
        found: &mut Vec<Diagnostic>,
    ) -> Brought {
        let source = &self.files.source;
        let mut trees = Vec::new();
        let mut steps = Vec::new();
        for file in &self.files.all {
            let Some(node) = render(&file.node.filtered(|key| BODY.contains(&key)), variables, source, found) else {
                // The templates have no budget left.
                return Brought::default();
            };
            self.steps(file, &node, secrets, &mut steps, found);
            trees.push((file, node.filtered(|key| key != STEPS)));
        }
        let Some(mut node) = merge(&trees, source, found) else { return Brought::default() };
        let (body, errors) = decode::<Body>(&mut node, source);
        found.extend(errors);
        let body = body.unwrap_or_default();
        if let Some(packages) = node.get("packages") {
            check::packages(packages, source, found);
        }
        check::checks(&node, source, found);
        let nodes = |key: &str| node.get(key).map_or(&[][..], Node::list);
        let targets = body.publish.into_iter().zip(nodes("publish"));
        let publish: Vec<_> = targets.map(|(target, node)| relocated(target, node, self.files)).collect();
        check::publish(&node, &publish, self.outputs, source, found);
        let elements = body.elements.into_iter().zip(nodes("elements").iter().cloned()).collect();
        Brought { elements, packages: body.packages, steps, checks: body.checks, publish }
    }

    /// Makes the steps of one file.
    fn steps(
        self,
        file: &File,
        node: &Node,
        secrets: &BTreeSet<&str>,
        steps: &mut Vec<ComposedStep>,
        found: &mut Vec<Diagnostic>,
    ) {
        let source = &self.files.source;
        let mut node = node.filtered(|key| key == STEPS);
        let (acts, errors) = decode::<Acts>(&mut node, source);
        found.extend(errors);
        let Some(node) = node.get(STEPS) else { return };
        check::actions(node, secrets, source, found);
        let owner = if file.name.is_empty() { self.steps } else { &file.name };
        let folder = Folder::Host(file.folder(self.dir));
        for (phase, actions) in acts.unwrap_or_default().steps.phases() {
            steps.push(step(phase, owner, actions, node, &folder, source, found));
        }
    }
}
