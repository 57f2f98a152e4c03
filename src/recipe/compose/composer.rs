//! The composer: renders a recipe and its elements, orders the elements, and collects the steps of all by phase.

use std::collections::{BTreeMap, BTreeSet, HashSet};
use std::sync::Arc;

use serde_json::{Value as Json, json};

use super::super::check;
use super::super::composition::{ComposedStep, Composition, System};
use super::super::element_use::ElementUse;
use super::super::layout::Layout;
use super::super::params::{self, Given, Values};
use super::super::publish::Target;
use super::super::template::{Budget, Variables, render};
use super::own::{Brought, Own};
use super::step::step;
use crate::distro::{Distribution, Distros, Os};
use crate::element::library::{Element, Library, LoadError};
use crate::element::order::{Item, OrderError, order};
use crate::element::schema::{Check, ElementFile};
use crate::recipe::terms::decode;
use crate::vocabulary::{Arch, Distro, Phase};
use crate::yaml::{Diagnostic, Map, Node, Source, Span, Value, near};

/// A recipe whose distribution is not decided yet.
pub(in crate::recipe) struct Composer<'a> {
    pub(in crate::recipe) source: &'a Arc<Source>,
    /// What the recipe itself brings.
    pub(in crate::recipe) own: Own<'a>,
    pub(in crate::recipe) params: &'a Values,
    pub(in crate::recipe) secrets: Map,
    pub(in crate::recipe) library: Library,
    pub(in crate::recipe) distros: Arc<Distros>,
    /// Elements that the library was asked for, by name.
    pub(in crate::recipe) elements: BTreeMap<String, Arc<Result<Element, LoadError>>>,
    pub(in crate::recipe) arch: Arch,
    /// What the base recipe does, if the recipe starts from one.
    pub(in crate::recipe) below: Option<&'a Composition>,
    /// Work that the recipe's templates may still do.
    pub(in crate::recipe) budget: Arc<Budget>,
}

/// An element as a recipe uses it.
struct Use {
    span: Span,
    name: String,
    params: Option<Node>,
    element: Arc<Result<Element, LoadError>>,
}

/// Packages, steps, checks and targets of one element, or of the recipe itself.
#[derive(Default)]
struct Part {
    name: String,
    packages: Vec<String>,
    steps: Vec<ComposedStep>,
    checks: Vec<Check>,
    publish: Vec<Target>,
}

impl Use {
    fn item(&self) -> Item {
        match &*self.element {
            Ok(element) => Item {
                name: self.name.clone(),
                requires: element.requires.clone(),
                after: element.after.clone(),
                conflicts: element.conflicts.clone(),
            },
            Err(_) => Item { name: self.name.clone(), ..Item::default() },
        }
    }
}

impl Composer<'_> {
    /// Composes the recipe for a system. Returns the composition, errors and notes.
    pub(in crate::recipe) fn compose(
        &mut self,
        system: &System,
    ) -> (Option<Composition>, Vec<Diagnostic>, Vec<String>) {
        let mut found = Vec::new();
        let mut notes = Vec::new();
        let Some(os) = self.os(system) else {
            let message = format!("the base image is of `{}`, and no such distribution is known", system.distro.name);
            found.push(Diagnostic::of_file(self.source, message).help("`goldsmith distros` lists those that are"));
            return (None, found, notes);
        };
        notes.extend(self.distros.get(&os.name).into_iter().flat_map(|one| one.hides.clone()));
        let built_ins = self.built_ins(system, &os);
        let (mut uses, own) = self.recipe(&built_ins, &mut found);
        let below = self.below.map_or(&[][..], |below| &below.elements);
        uses.retain(|used| !is_below(used, below, self.source, &mut found));
        let mut parts = Vec::new();
        for index in self.order(&uses, &mut found) {
            if let Ok(element) = &*uses[index].element {
                notes.extend(element.notes.clone());
                parts.push(self.part(element, &uses[index], &system.distro, &built_ins, &mut found));
            }
        }
        parts.push(own);
        let mut composition = composition(system, os, parts, self.below);
        composition.elements = below.iter().cloned().chain(uses.iter().map(Use::item)).collect();
        (Some(composition), found, notes)
    }

    /// Looks for errors while the distribution is unknown. Returns the errors and notes that all distributions have in common.
    pub(in crate::recipe) fn find_common_errors(&mut self) -> (Vec<Diagnostic>, Vec<String>) {
        let distros = Arc::clone(&self.distros);
        let mut common: Option<(Vec<Diagnostic>, Vec<String>)> = None;
        for distro in distros.iter().filter(|one| one.root).map(Distribution::newest) {
            // Only one of them will be built.
            self.budget = Arc::default();
            let (_, errors, notes) = self.compose(&System { distro, firmware: Layout::BiosUefi.firmware() });
            common = Some(match common {
                None => (errors, notes),
                Some((mut all, mut said)) => {
                    let errors: HashSet<_> = errors.iter().map(Diagnostic::identity).collect();
                    all.retain(|error| errors.contains(&error.identity()));
                    said.retain(|note| notes.contains(note));
                    (all, said)
                }
            });
        }
        common.unwrap_or_default()
    }

    fn os(&self, System { distro, .. }: &System) -> Option<Os> {
        self.distros.get(&distro.name).map(|distribution| distribution.os(distro, self.arch))
    }

    fn built_ins(&self, System { distro, firmware }: &System, os: &Os) -> BTreeMap<String, Json> {
        let values = [
            ("name", json!(self.own.name)),
            ("arch", json!(self.arch)),
            ("distro", json!(distro.name)),
            ("release", json!(distro.release)),
            ("version", json!(distro.version)),
            ("family", json!(distro.family)),
            ("firmware", json!(firmware)),
            ("os", json!(os)),
        ];
        values.into_iter().map(|(name, value)| (name.to_owned(), value)).collect()
    }

    fn secret_names(&self) -> BTreeSet<&str> {
        let kept = self.secrets.entries.iter().map(|(key, _)| key.text.as_str());
        kept.chain(self.secrets.faulty.iter().map(String::as_str)).collect()
    }

    /// Renders the recipe. Returns its elements, and its own packages, steps, checks and targets.
    fn recipe(&mut self, built_ins: &BTreeMap<String, Json>, found: &mut Vec<Diagnostic>) -> (Vec<Use>, Part) {
        let variables = self.variables(built_ins, self.params);
        let Brought { elements, packages, steps, checks, publish } =
            self.own.rendered(&variables, &self.secret_names(), found);
        let uses = elements.into_iter().map(|(used, node)| self.used(used, &node, found)).collect();
        (uses, Part { name: self.own.steps.to_owned(), packages, steps, checks, publish })
    }

    fn used(&mut self, used: ElementUse, node: &Node, found: &mut Vec<Diagnostic>) -> Use {
        let (span, params) = match &node.value {
            Value::Map(map) => match map.entries.first() {
                Some((key, value)) => (key.span, Some(value.clone())),
                None => (node.span, None),
            },
            _ => (node.span, None),
        };
        let element = match self.elements.get(&used.name) {
            Some(element) => element.clone(),
            None => {
                let element = Arc::new(self.library.find(&used.name));
                self.elements.insert(used.name.clone(), element.clone());
                element
            }
        };
        match &*element {
            Ok(_) => {}
            Err(LoadError::Faulty(errors)) => found.extend(errors.iter().cloned()),
            Err(LoadError::Unknown(meant)) => found.push(
                Diagnostic::new(self.source, span, format!("unknown element `{}`", used.name))
                    .did_you_mean(meant.as_deref())
                    .help("`goldsmith elements` lists all; `--elements DIR` adds a folder of elements"),
            ),
        }
        if used.name == self.own.steps {
            let message = format!("the recipe and its element are both named `{}`", used.name);
            found.push(Diagnostic::new(self.source, span, message).help("give the recipe another name"));
        }
        Use { span, name: used.name, params, element }
    }

    /// Orders the elements. If no order is possible, they keep the recipe's order, so that further errors are found.
    fn order(&self, uses: &[Use], found: &mut Vec<Diagnostic>) -> Vec<usize> {
        let below = self.below.map_or(&[][..], |below| &below.elements);
        let mut items: Vec<Item> = uses.iter().map(Use::item).collect();
        for (item, used) in items.iter_mut().zip(uses) {
            // What the base recipe has applied is there before all of these.
            item.requires.retain(|name| below.iter().all(|below| below.name != *name));
            for below in below {
                if below.conflicts.contains(&item.name) || item.conflicts.contains(&below.name) {
                    let message = format!("elements `{}` and `{}` cannot be together", item.name, below.name);
                    let diagnostic = Diagnostic::new(self.source, used.span, message);
                    found.push(diagnostic.help(format!("the base recipe has `{}`", below.name)));
                }
            }
        }
        match order(&items) {
            Ok(order) => order,
            Err(errors) => {
                // An element whose name is misspelt is there, and reported already.
                let meant = |name: &str| {
                    uses.iter()
                        .any(|used| matches!(&*used.element, Err(LoadError::Unknown(Some(near))) if near == name))
                };
                let follows = |error: &&OrderError| matches!(error, OrderError::Missing { requirement, .. } if meant(requirement));
                found.extend(errors.iter().filter(|error| !follows(error)).map(|error| self.order_error(error, uses)));
                (0..uses.len()).collect()
            }
        }
    }

    fn order_error(&self, error: &OrderError, uses: &[Use]) -> Diagnostic {
        let at = |item: usize, message: String| Diagnostic::new(self.source, uses[item].span, message);
        let name = |item: usize| uses[item].name.as_str();
        match error {
            OrderError::Duplicate { item, first } => {
                at(*item, format!("element `{}` is there twice", name(*item))).also(uses[*first].span, "first here")
            }
            OrderError::Missing { item, requirement } => {
                let known = self.library.names();
                let diagnostic = at(*item, format!("element `{}` needs element `{requirement}`", name(*item)));
                if known.contains_key(requirement) {
                    diagnostic.help(format!("add `- {requirement}` to `elements`"))
                } else {
                    diagnostic.did_you_mean(near(requirement, known.keys())).help("no folder of elements has it")
                }
            }
            OrderError::Conflict { item, other } => {
                at(*item, format!("elements `{}` and `{}` cannot be together", name(*item), name(*other)))
                    .also(uses[*other].span, "the other")
            }
            OrderError::Cycle(items) => {
                let mut names: Vec<&str> = items.iter().map(|item| name(*item)).collect();
                names.extend(names.first().copied());
                at(items[0], format!("elements come after each other in a circle: {}", names.join(" -> ")))
                    .help("`requires` and `after` of these elements say so: take one out")
            }
        }
    }

    /// Renders an element with its parameters. Returns its packages, steps and checks.
    fn part(
        &self,
        element: &Element,
        used: &Use,
        distro: &Distro,
        built_ins: &BTreeMap<String, Json>,
        found: &mut Vec<Diagnostic>,
    ) -> Part {
        let source = &element.source;
        let owner = format!("element `{}`", element.name);
        let mut part = Part { name: element.name.clone(), ..Part::default() };
        let budget = Arc::clone(&self.budget);
        let plain = Variables { values: built_ins.clone(), budget, ..Variables::default() };
        let mut values = params::defaults(&element.params, element.node.get("params"), &plain, source, found);
        let given: Given<'_> = used.params.as_ref().and_then(Node::map).map_or(Given::new(), |map| {
            map.entries.iter().map(|(key, node)| (key.text.as_str(), (key.span, node))).collect()
        });
        params::give(&mut values, &element.params, &given, &owner, self.source, found);
        for name in params::unset(&values, &element.params) {
            let withheld =
                used.params.as_ref().and_then(Node::map).is_some_and(|map| map.faulty.iter().any(|f| f == name));
            if !withheld {
                let diagnostic = Diagnostic::new(self.source, used.span, format!("{owner} needs parameter `{name}`"));
                found.push(diagnostic.help(format!("write `- {}: {{ {name}: ... }}`", element.name)));
            }
            values.faulty.push(name.to_owned());
        }
        let body = element.node.filtered(|key| key != "params");
        let Some(mut node) = render(&body, &self.variables(built_ins, &values), source, found) else { return part };
        let (file, errors) = decode::<ElementFile>(&mut node, source);
        found.extend(errors);
        let Some(file) = file else { return part };
        check::checks(&node, source, found);
        for (_, packages) in node.get("packages").and_then(Node::map).map_or(&[][..], |map| &map.entries) {
            check::packages(packages, source, found);
        }
        part.packages = packages_for(distro, &file.packages);
        if let Some(steps) = node.get("steps") {
            check::actions(steps, &self.secret_names(), source, found);
            for (phase, actions) in file.steps.phases() {
                part.steps.push(step(phase, &element.name, actions, steps, &element.folder, source, found));
            }
        }
        part.checks = file.checks;
        part
    }

    fn variables(&self, built_ins: &BTreeMap<String, Json>, params: &Values) -> Variables {
        let mut values = built_ins.clone();
        values.extend(params.values.iter().map(|(name, value)| (name.clone(), value.clone())));
        let faulty = params.faulty.iter().cloned().collect();
        Variables { values, faulty, withheld: &[], budget: Arc::clone(&self.budget) }
    }
}

/// Returns the packages of the most specific list for a distribution, and of the list for all.
fn packages_for(distro: &Distro, packages: &BTreeMap<String, Vec<String>>) -> Vec<String> {
    let names = [
        format!("{}-{}", distro.name, distro.release),
        format!("{}-{}", distro.name, distro.version),
        distro.name.clone(),
        distro.family.clone(),
    ];
    let specific = names.iter().find_map(|name| packages.get(name));
    specific.into_iter().chain(packages.get("all")).flatten().cloned().collect()
}

/// Returns whether the base recipe has applied an element already. It is not applied again, so it gets no parameters.
fn is_below(used: &Use, below: &[Item], source: &Arc<Source>, found: &mut Vec<Diagnostic>) -> bool {
    let there = below.iter().any(|item| item.name == used.name);
    if there && used.params.as_ref().is_some_and(|params| params.value != Value::Null) {
        let message = format!("the base recipe has applied element `{}` already", used.name);
        found.push(
            Diagnostic::new(source, used.span, message).help(
                "leave it out: its parameters are those of the base recipe, which `params` beside `source` can set",
            ),
        );
    }
    there
}

/// Puts parts together, and sorts their steps by phase. What elements of the base recipe do in the last two phases is done again,
/// after everything else of the phase. The recipe's own part is the last.
fn composition(system: &System, os: Os, parts: Vec<Part>, below: Option<&Composition>) -> Composition {
    let System { distro, firmware } = system.clone();
    let mut composition = Composition {
        distro,
        os,
        firmware,
        packages: BTreeMap::new(),
        steps: Vec::new(),
        checks: Vec::new(),
        publish: Vec::new(),
        elements: Vec::new(),
        closing: Vec::new(),
        below: below.cloned().map(Box::new),
    };
    let of_elements = parts.len() - 1;
    composition.checks.extend(below.into_iter().flat_map(|below| below.checks.clone()));
    for (number, part) in parts.into_iter().enumerate() {
        for package in part.packages {
            let owners: &mut Vec<String> = composition.packages.entry(package).or_default();
            if !owners.contains(&part.name) {
                owners.push(part.name.clone());
            }
        }
        let steps = part.steps.into_iter().filter(|step| !step.actions.is_empty());
        for step in steps {
            if number < of_elements && step.id.phase >= Phase::Finish {
                composition.closing.push(step.clone());
            }
            composition.steps.push(step);
        }
        composition.checks.extend(part.checks.into_iter().map(|check| (part.name.clone(), check)));
        composition.publish.extend(part.publish);
    }
    let again = below.map_or(&[][..], |below| &below.closing);
    composition.closing.extend(again.iter().cloned());
    composition.steps.extend(again.iter().cloned());
    // The sort is stable: within a phase the order of the elements stays.
    composition.steps.sort_by_key(|step| step.id.phase);
    composition
}
