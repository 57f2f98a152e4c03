//! Merges the values of several files.
//!
//! Maps are merged by key, lists are joined, and a single value of a file wins over those of the files that it includes.

use std::collections::HashMap;
use std::path::Path;
use std::sync::Arc;

use super::files::File;
use super::paths::is_relative;
use crate::yaml::{Diagnostic, Key, Map, Node, Source, Value};

/// Merges what files say, each with its tree. The files are in the order in which they count, the recipe last.
pub(in crate::recipe) fn merge(
    trees: &[(&File, Node)],
    source: &Arc<Source>,
    found: &mut Vec<Diagnostic>,
) -> Option<Node> {
    let said: Vec<_> = trees.iter().map(|(file, node)| Said { file, node }).collect();
    if said.is_empty() { None } else { Some(Merging { source, found }.node(&[], &said)) }
}

/// What one file says at a place.
#[derive(Clone, Copy)]
struct Said<'n> {
    file: &'n File,
    node: &'n Node,
}

impl Said<'_> {
    /// Returns whether another file includes this one, so that its value wins.
    fn yields_to(&self, other: &Said<'_>) -> bool {
        other.file.includes.contains(&self.file.number)
    }
}

struct Merging<'a> {
    source: &'a Arc<Source>,
    found: &'a mut Vec<Diagnostic>,
}

/// Returns whether the value at a place is one value, whatever it is: a value of a parameter is not joined with another.
fn is_value(place: &[&str]) -> bool {
    matches!(place, ["params", _, "default" | "choices"] | ["elements", _, _] | ["base", "recipe", "params", _])
}

/// Returns whether the key of the map at a place is a choice, so that two maps with different keys are two values.
fn is_choice(place: &[&str]) -> bool {
    matches!(place, ["base"] | ["secrets", _])
}

impl Merging<'_> {
    fn node(&mut self, place: &[&str], said: &[Said<'_>]) -> Node {
        // A key without a value says nothing.
        let full: Vec<_> = said.iter().copied().filter(|said| said.node.value != Value::Null).collect();
        let last = match full.as_slice() {
            [] => said[said.len() - 1],
            [only] => *only,
            [.., last] => {
                let maps: Vec<&Map> = full.iter().filter_map(|said| said.node.map()).collect();
                let lists = full.iter().filter(|said| matches!(said.node.value, Value::List(_))).count();
                let one = is_value(place) || (is_choice(place) && !same_keys(&maps));
                if maps.len() == full.len() && !one {
                    return self.map(place, &full);
                } else if lists == full.len() && !one {
                    return if place == ["elements"] { self.elements(&full) } else { joined(place, &full) };
                } else if one || maps.len() + lists == 0 {
                    return self.value(place, &full);
                }
                self.misfit(place, &full);
                *last
            }
        };
        last.node.clone()
    }

    fn map(&mut self, place: &[&str], said: &[Said<'_>]) -> Node {
        let mut keys: Vec<(&Key, Vec<Said<'_>>)> = Vec::new();
        let mut numbers: HashMap<&str, usize> = HashMap::new();
        let mut map = Map::default();
        for &Said { file, node } in said {
            let Some(part) = node.map() else { continue };
            map.faulty.extend(part.faulty.iter().cloned());
            for (key, node) in &part.entries {
                let number = *numbers.entry(&key.text).or_insert(keys.len());
                if number == keys.len() {
                    keys.push((key, Vec::new()));
                }
                // The key of the last file is the one that errors point at.
                keys[number].0 = key;
                keys[number].1.push(Said { file, node });
            }
        }
        for (key, said) in keys {
            let below: Vec<&str> = place.iter().copied().chain([key.text.as_str()]).collect();
            map.entries.push((key.clone(), self.node(&below, &said)));
        }
        like(said[said.len() - 1].node, Value::Map(map))
    }

    /// Joins lists of elements. An element that several files name is there once, and its parameters are merged.
    fn elements(&mut self, said: &[Said<'_>]) -> Node {
        let mut entries: Vec<(Option<&str>, Vec<Said<'_>>)> = Vec::new();
        for &Said { file, node } in said {
            for item in node.list() {
                let name = element(item);
                let elsewhere = |all: &[Said<'_>]| all.iter().all(|said| said.file.number != file.number);
                let same = entries.iter().position(|(known, all)| name.is_some() && *known == name && elsewhere(all));
                match same {
                    Some(number) => entries[number].1.push(Said { file, node: item }),
                    None => entries.push((name, vec![Said { file, node: item }])),
                }
            }
        }
        let entries = entries.into_iter().map(|(name, all)| {
            let with_params = |said: &Said<'_>| said.node.map().is_some();
            let all: Vec<_> =
                if all.iter().any(with_params) { all.into_iter().filter(with_params).collect() } else { all };
            match (name, all.as_slice()) {
                (Some(name), [_, _, ..]) if with_params(&all[0]) => self.used(name, &all),
                (_, all) => all[all.len() - 1].node.clone(),
            }
        });
        like(said[said.len() - 1].node, Value::List(entries.collect()))
    }

    /// Merges entries of one element with parameters.
    fn used(&mut self, name: &str, all: &[Said<'_>]) -> Node {
        let params: Vec<_> =
            all.iter().filter_map(|said| Some(Said { file: said.file, node: said.node.get(name)? })).collect();
        let last = all[all.len() - 1].node;
        let params = self.node(&["elements", name], &params);
        let entries = last.key(name).map(|key| (key.clone(), params)).into_iter().collect();
        like(last, Value::Map(Map { entries, faulty: Vec::new() }))
    }

    /// Chooses among single values: the value of a file wins over those of the files that it includes.
    fn value(&mut self, place: &[&str], said: &[Said<'_>]) -> Node {
        let wins = |one: &&Said<'_>| !said.iter().any(|other| one.yields_to(other));
        let winners: Vec<_> = said.iter().filter(wins).collect();
        let last = winners[winners.len() - 1];
        if let Some(other) = winners.iter().find(|other| meaning(place, other) != meaning(place, last)) {
            let key = place.join(".");
            let message = format!("two included files give `{key}` different values");
            self.found.push(
                Diagnostic::new(self.source, last.node.span, message)
                    .also(other.node.span, "here is the other")
                    .help(format!("give `{key}` in the recipe: its value wins over those of included files")),
            );
        }
        last.node.clone()
    }

    fn misfit(&mut self, place: &[&str], said: &[Said<'_>]) {
        let kind = |node: &Node| match &node.value {
            Value::Map(_) => "a map",
            Value::List(_) => "a list",
            _ => "a single value",
        };
        let last = said[said.len() - 1].node;
        let other = said.iter().find(|said| kind(said.node) != kind(last)).map_or(last, |said| said.node);
        let key = place.join(".");
        let message = format!("`{key}` is {} here, and {} in another file", kind(last), kind(other));
        self.found.push(Diagnostic::new(self.source, last.span, message).also(other.span, "here is the other"));
    }
}

/// Joins lists. An entry that another file has too is there once.
fn joined(place: &[&str], said: &[Said<'_>]) -> Node {
    let mut items = Vec::new();
    let mut known = HashMap::new();
    for &Said { file, node } in said {
        for item in node.list() {
            let first = *known.entry(meaning(place, &Said { file, node: item })).or_insert(file.number);
            if first == file.number {
                items.push(item.clone());
            }
        }
    }
    like(said[said.len() - 1].node, Value::List(items))
}

/// Returns a value at the place of another.
fn like(node: &Node, value: Value) -> Node {
    Node { value, span: node.span, style: node.style }
}

fn same_keys(maps: &[&Map]) -> bool {
    let keys = |map: &Map| map.entries.iter().map(|(key, _)| key.text.clone()).collect::<Vec<_>>();
    maps.windows(2).all(|two| keys(two[0]) == keys(two[1]))
}

/// Returns the name of the element that an entry uses; `None` if the entry is none.
fn element(item: &Node) -> Option<&str> {
    match &item.value {
        Value::Map(map) => match map.entries.as_slice() {
            [(key, _)] => Some(&key.text),
            _ => None,
        },
        _ => item.text(),
    }
}

/// Returns what distinguishes a value from others. Equal relative paths in two folders are two files.
fn meaning<'n>(place: &[&str], said: &Said<'n>) -> (String, Option<&'n Path>) {
    let is_path = match place {
        ["publish"] => true,
        ["secrets", _, "file"]
        | ["base", "image", "source" | "sha256" | "signed-by"]
        | ["base", "bootstrap", "keyring" | "certificate-authority"]
        | ["base", "recipe", "source"] => said.node.text().is_some_and(is_relative),
        _ => false,
    };
    (text(said.node), is_path.then_some(said.file.dir.as_path()))
}

/// Returns a value as text that is the same for equal values, wherever they are written.
fn text(node: &Node) -> String {
    match &node.value {
        Value::List(list) => format!("[{}]", list.iter().map(text).collect::<Vec<_>>().join(", ")),
        Value::Map(map) => {
            let mut entries: Vec<_> =
                map.entries.iter().map(|(key, node)| format!("{:?}: {}", key.text, text(node))).collect();
            entries.sort();
            format!("{{{}}}", entries.join(", "))
        }
        scalar => format!("{scalar:?}"),
    }
}
