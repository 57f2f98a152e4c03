//! Matrices: recipes that describe an image for each combination of values of their parameters.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use serde_json::Value as Json;

use super::params;
use crate::element::schema::Param;
use crate::yaml::{Diagnostic, Key, Map, Node, Source, Span, Value, list, near};

/// Key of combinations that are further images.
const INCLUDE: &str = "include";

/// Key of combinations that are no images.
const EXCLUDE: &str = "exclude";

/// Most images of a matrix.
const MAX_IMAGES: usize = 256;

/// Values of parameters, each combination of which is an image.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct MatrixFile {
    /// Further images: for each, parameters and their values.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub include: Vec<BTreeMap<String, Json>>,
    /// Combinations without an image: parameters of the matrix and one of their values each.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub exclude: Vec<BTreeMap<String, Json>>,
    /// Names of parameters, and their values.
    #[serde(flatten)]
    pub values: BTreeMap<String, Vec<Json>>,
}

/// One image of a matrix: the values that the matrix gives parameters.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Cell(pub BTreeMap<String, Json>);

/// A matrix without errors.
#[derive(Debug, Default)]
pub(super) struct Matrix {
    /// Its images, in the order of its text: the last parameter changes first.
    pub(super) cells: Vec<Cell>,
    /// Names of all parameters that it gives values.
    pub(super) names: BTreeSet<String>,
}

/// Reads a matrix. It has no images if it has errors.
pub(super) fn read(
    (key, node): (&Key, &Node),
    params: &BTreeMap<String, Param>,
    source: &Arc<Source>,
    found: &mut Vec<Diagnostic>,
) -> Matrix {
    let known = found.len();
    let cells = Reading { params, source, found, known }.cells(key, node);
    let names = cells.iter().flat_map(|cell| cell.0.keys().cloned()).collect();
    if found.len() == known { Matrix { cells, names } } else { Matrix::default() }
}

/// Values that the matrix lists for a parameter.
struct Axis<'a> {
    name: &'a str,
    values: Vec<Json>,
}

struct Reading<'a> {
    params: &'a BTreeMap<String, Param>,
    source: &'a Arc<Source>,
    found: &'a mut Vec<Diagnostic>,
    /// Number of errors that were found before.
    known: usize,
}

impl Reading<'_> {
    fn cells(mut self, key: &Key, node: &Node) -> Vec<Cell> {
        let Some(map) = self.map(node) else { return Vec::new() };
        let lists = map.entries.iter().filter(|(key, _)| ![INCLUDE, EXCLUDE].contains(&key.text.as_str()));
        let axes: Vec<Axis<'_>> = lists.filter_map(|(key, node)| self.axis(key, node)).collect();
        let number = axes.iter().try_fold(1_usize, |number, axis| number.checked_mul(axis.values.len().max(1)));
        let further = node.get(INCLUDE).map_or(0, |node| node.list().len());
        let number = number.and_then(|number| number.checked_add(further));
        if number.is_none_or(|number| number > MAX_IMAGES) {
            let number = number.map_or("far too many".to_owned(), |number| number.to_string());
            let message = format!("the matrix has {number} images, and at most {MAX_IMAGES} are allowed");
            self.fault(key.span, message, Some("divide it among several recipes"));
            return Vec::new();
        }
        let mut cells = if axes.is_empty() { Vec::new() } else { product(&axes) };
        if let Some(node) = node.get(EXCLUDE) {
            for (entry, _) in self.entries(node) {
                let without = self.excluded(entry, &axes);
                cells.retain(|cell| !without.iter().all(|(name, value)| cell.0.get(*name) == Some(value)));
            }
        }
        if let Some(node) = node.get(INCLUDE) {
            for (entry, span) in self.entries(node) {
                let cell = self.included(entry, span, &axes);
                if cells.contains(&cell) {
                    self.fault(span, "the matrix has this image already", None);
                }
                cells.push(cell);
            }
        }
        if cells.is_empty() && self.found.len() == self.known {
            let help = "list values of parameters: `matrix: { release: [bookworm, trixie] }`";
            self.fault(key.span, "the matrix has no images", Some(help));
        }
        cells
    }

    /// Reads a list of values for a parameter.
    fn axis<'n>(&mut self, key: &'n Key, node: &Node) -> Option<Axis<'n>> {
        let param = self.param(key)?;
        let values = node.list();
        if values.is_empty() {
            let message = format!("expected a list of values for `{}`, found {}", key.text, described(node));
            self.fault(node.span, message, None);
            return None;
        }
        let mut known: Vec<Json> = Vec::new();
        for node in values {
            let Some(value) = self.value(&key.text, &param, node) else { continue };
            if known.contains(&value) {
                self.fault(node.span, format!("`{}` has this value twice", key.text), None);
            }
            known.push(value);
        }
        Some(Axis { name: &key.text, values: known })
    }

    /// Reads which images there are none of.
    fn excluded<'n>(&mut self, entry: &'n Map, axes: &[Axis<'_>]) -> Vec<(&'n str, Json)> {
        let mut without = Vec::new();
        for (key, node) in &entry.entries {
            let Some(axis) = axes.iter().find(|axis| axis.name == key.text) else {
                let names = axes.iter().map(|axis| axis.name);
                let near = near(&key.text, names.clone());
                let message = format!("the matrix lists no values for `{}`", key.text);
                let mut diagnostic = Diagnostic::new(self.source, key.span, message).did_you_mean(near);
                if !axes.is_empty() {
                    diagnostic = diagnostic.help(format!("its parameters: {}", list(names)));
                }
                self.found.push(diagnostic);
                continue;
            };
            let Some(param) = self.param(key) else { continue };
            let Some(value) = self.value(&key.text, &param, node) else { continue };
            if !axis.values.contains(&value) {
                let message = format!("the matrix does not list this value for `{}`", key.text);
                self.fault(node.span, message, None);
            }
            without.push((key.text.as_str(), value));
        }
        without
    }

    /// Reads a further image.
    fn included(&mut self, entry: &Map, span: Span, axes: &[Axis<'_>]) -> Cell {
        let mut values = BTreeMap::new();
        for (key, node) in &entry.entries {
            if let Some(param) = self.param(key)
                && let Some(value) = self.value(&key.text, &param, node)
            {
                values.insert(key.text.clone(), value);
            }
        }
        for axis in axes {
            let given = entry.entries.iter().any(|(key, _)| key.text == axis.name);
            if !given && self.params.get(axis.name).is_some_and(|param| param.default.is_none()) {
                self.fault(span, format!("this image has no value for parameter `{}`", axis.name), None);
            }
        }
        Cell(values)
    }

    /// Returns the entries of `include` or `exclude`, each a map that is not empty.
    fn entries<'n>(&mut self, node: &'n Node) -> Vec<(&'n Map, Span)> {
        if node.list().is_empty() {
            self.fault(node.span, format!("expected a list of maps, found {}", described(node)), None);
        }
        let mut maps = Vec::new();
        for entry in node.list() {
            match self.map(entry) {
                Some(map) if map.entries.is_empty() && map.faulty.is_empty() => {
                    self.fault(entry.span, "this entry names no parameter", None);
                }
                Some(map) => maps.push((map, entry.span)),
                None => {}
            }
        }
        maps
    }

    fn map<'n>(&mut self, node: &'n Node) -> Option<&'n Map> {
        if node.map().is_none() {
            let message = format!("expected a map of parameters, found {}", node.describe());
            self.fault(node.span, message, Some("write `name: value` for each parameter"));
        }
        node.map()
    }

    /// Returns the declaration of a parameter.
    fn param(&mut self, key: &Key) -> Option<Param> {
        let param = self.params.get(&key.text).cloned();
        if param.is_none() {
            let message = format!("the recipe has no parameter `{}`", key.text);
            let diagnostic = Diagnostic::new(self.source, key.span, message);
            let help = format!("declare it: `params: {{ {}: {{ type: string }} }}`", key.text);
            self.found.push(diagnostic.did_you_mean(near(&key.text, self.params.keys())).help(help));
        }
        param
    }

    fn value(&mut self, name: &str, param: &Param, node: &Node) -> Option<Json> {
        if node.text().is_some_and(|text| ["{{", "{%", "{#"].iter().any(|mark| text.contains(mark))) {
            self.fault(node.span, "the values of a matrix have no templates", None);
            return None;
        }
        params::typed(name, param, node, self.source, self.found)
    }

    fn fault(&mut self, span: Span, message: impl AsRef<str>, help: Option<&str>) {
        let diagnostic = Diagnostic::new(self.source, span, message);
        self.found.push(match help {
            Some(help) => diagnostic.help(help),
            None => diagnostic,
        });
    }
}

fn described(node: &Node) -> String {
    if matches!(node.value, Value::List(_)) { "an empty list".to_owned() } else { node.describe() }
}

/// Returns all combinations of values.
fn product(axes: &[Axis<'_>]) -> Vec<Cell> {
    axes.iter().fold(vec![Cell::default()], |cells, axis| {
        let with = |cell: &Cell, value: &Json| {
            let mut cell = cell.clone();
            cell.0.insert(axis.name.to_owned(), value.clone());
            cell
        };
        cells.iter().flat_map(|cell| axis.values.iter().map(move |value| with(cell, value))).collect()
    })
}
