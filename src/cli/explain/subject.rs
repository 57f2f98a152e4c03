//! What of a recipe is meant: one clear rule for the words of the command line.

use std::collections::BTreeMap;
use std::path::Path;

use crate::action::Action;
use crate::element::schema::{Check, check_ids};
use crate::pipeline;
use crate::plan::Plan;
use crate::vocabulary::StepId;

/// A step, as far as it can be told without the state of the mirrors.
#[derive(Debug)]
pub(super) struct Told<'a> {
    pub(super) id: &'a StepId,
    pub(super) actions: &'a [Action],
}

/// Everything that a recipe brings into its image.
#[derive(Debug)]
pub(super) struct Content<'a> {
    pub(super) steps: Vec<Told<'a>>,
    /// Packages, and who asks for each.
    pub(super) packages: BTreeMap<&'a str, &'a [String]>,
    /// Ids of the checks of elements and of the recipe, with the checks.
    pub(super) checks: Vec<(String, &'a (String, Check))>,
}

/// What is meant.
#[derive(Debug)]
pub(super) enum Subject<'a> {
    /// Steps: one by its name, or all of an element.
    Steps(Vec<usize>),
    /// A path in the image.
    File(&'a str),
    /// A package.
    Package(&'a str),
    /// A check of an element or of the recipe.
    Check(usize),
}

impl<'a> Content<'a> {
    /// Returns what a plan has.
    pub(super) fn of_plan(plan: &'a Plan) -> Self {
        Self {
            steps: plan.steps.iter().map(|step| Told { id: &step.id, actions: &step.actions }).collect(),
            packages: plan.packages.iter().map(|(name, by)| (name.as_str(), by.as_slice())).collect(),
            checks: check_ids(&plan.checks).into_iter().zip(&plan.checks).collect(),
        }
    }

    /// Returns what a recipe has that could not be planned; `None` if its steps are not known.
    pub(super) fn of_recipe(source: &'a pipeline::Source) -> Option<Self> {
        let levels = source.loaded.composition.as_ref()?.levels();
        let mut content = Self { steps: Vec::new(), packages: BTreeMap::new(), checks: Vec::new() };
        for level in &levels {
            content.steps.extend(level.steps.iter().map(|step| Told { id: &step.id, actions: &step.actions }));
            content.packages.extend(level.packages.iter().map(|(name, by)| (name.as_str(), by.as_slice())));
        }
        let top = levels.last()?;
        content.checks = check_ids(&top.checks).into_iter().zip(&top.checks).collect();
        Some(content)
    }

    /// Finds what the words mean. A path begins with `/`; else a step counts first, by its whole name or by that of its element,
    /// then a package, then a check.
    pub(super) fn find(&self, words: &'a str) -> Option<Subject<'a>> {
        if words.starts_with('/') {
            return Some(Subject::File(words));
        }
        let meant = |id: &StepId| id.to_string() == words || id.element == words || file(id) == Some(words);
        let steps: Vec<usize> = (0..self.steps.len()).filter(|&at| meant(self.steps[at].id)).collect();
        if !steps.is_empty() {
            return Some(Subject::Steps(steps));
        }
        if self.packages.contains_key(words) {
            return Some(Subject::Package(words));
        }
        self.checks.iter().position(|(id, _)| id == words).map(Subject::Check)
    }

    /// Returns everything that can be meant, for a suggestion.
    pub(super) fn names(&self) -> Vec<String> {
        let files = self.steps.iter().filter_map(|step| file(step.id).map(str::to_owned));
        let steps = self.steps.iter().flat_map(|step| [step.id.to_string(), step.id.element.clone()]).chain(files);
        let packages = self.packages.keys().map(|name| (*name).to_owned());
        steps.chain(packages).chain(self.checks.iter().map(|(id, _)| id.clone())).collect()
    }
}

/// Returns the name of the file that has the steps, without its directory and ending, if it is a file that the recipe includes.
fn file(step: &StepId) -> Option<&str> {
    Path::new(&step.element).file_stem()?.to_str().filter(|_| step.element.ends_with(".yaml"))
}
