//! Draws the layers of several images: as a tree for people, and in the DOT language.

use std::collections::HashMap;

use super::terminal::{Style, Terminal};
use crate::layer::LayerKey;
use crate::plan::Graph;

/// Parts of the lines of a tree: a branch, the last branch, what stands below each of the two.
const LINES: [&str; 4] = ["├─ ", "└─ ", "│  ", "   "];
const ASCII: [&str; 4] = ["|- ", "`- ", "|  ", "   "];

/// A cache that has a layer.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Place {
    /// That of this machine.
    Here,
    /// The one that several machines share; a build fetches the layer.
    Remote,
}

impl Place {
    /// Returns the word for a layer that is there.
    pub(super) fn word(self) -> &'static str {
        match self {
            Self::Here => "cached",
            Self::Remote => "remote",
        }
    }
}

/// Draws a tree with a line for each layer.
pub(super) fn text(graph: &Graph, cached: &HashMap<LayerKey, Place>, terminal: Terminal) -> String {
    let [branch, last, beside, below] = if terminal.unicode { LINES } else { ASCII };
    // What begins the lines of layers on this one.
    let mut margins: HashMap<LayerKey, String> = HashMap::new();
    let mut drawn: HashMap<Option<LayerKey>, usize> = HashMap::new();
    let mut rows: Vec<(String, Option<Place>)> = Vec::new();
    for layer in &graph.layers {
        let number = drawn.entry(layer.parent).or_default();
        *number += 1;
        let (first, further) = match layer.parent {
            None => (String::new(), String::new()),
            Some(parent) => {
                let margin = margins.get(&parent).cloned().unwrap_or_default();
                match (graph.children(&parent), *number) {
                    (1, _) => (margin.clone(), margin),
                    (all, number) if number == all => (format!("{margin}{last}"), format!("{margin}{below}")),
                    _ => (format!("{margin}{branch}"), format!("{margin}{beside}")),
                }
            }
        };
        margins.insert(layer.key, further);
        rows.push((format!("{first}{}", layer.step), cached.get(&layer.key).copied()));
    }
    let width = rows.iter().map(|(text, _)| text.chars().count()).max().unwrap_or(0);
    let state = |cached: Option<Place>| match cached {
        Some(place) => terminal.paint(Style::Dim, place.word()),
        None => "will run".to_owned(),
    };
    let mut text: String = rows.iter().map(|(text, cached)| format!("{text:width$}  {}\n", state(*cached))).collect();
    let there = graph.layers.iter().filter(|layer| cached.contains_key(&layer.key)).count();
    let all = graph.layers.len();
    let alone: usize = graph.layers.iter().map(|layer| layer.images.len()).sum();
    text.push_str(&format!(
        "\n{there} of {all} steps are cached; without sharing, the images would have {alone} steps\n"
    ));
    text
}

/// Writes the graph in the DOT language: <https://graphviz.org/doc/info/lang.html>.
pub(super) fn dot(graph: &Graph, cached: &HashMap<LayerKey, Place>) -> String {
    let mut text = "digraph layers {\n  rankdir=LR\n  node [shape=box, fontname=\"sans-serif\"]\n".to_owned();
    for layer in &graph.layers {
        let style = if cached.contains_key(&layer.key) { ", style=filled, fillcolor=\"#e0e0e0\"" } else { "" };
        let id = layer.key.short();
        let label = layer.step.to_string().replace('\\', "\\\\").replace('"', "\\\"");
        text.push_str(&format!("  \"{id}\" [label=\"{label}\"{style}]\n"));
        if let Some(parent) = &layer.parent {
            text.push_str(&format!("  \"{}\" -> \"{id}\"\n", parent.short()));
        }
    }
    text.push_str("}\n");
    text
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::plan::{GraphLayer, Phase, StepId};

    /// Two images on one base, one of which two others share a step of, and one on a base of its own.
    fn graph() -> (Graph, HashMap<LayerKey, Place>) {
        let key = |name: &str| LayerKey::of(name);
        let layer = |name: &str, phase, parent: Option<&str>, images: &[&str]| GraphLayer {
            key: key(name),
            step: StepId { phase, element: name.to_owned() },
            parent: parent.map(key),
            images: images.iter().map(|image| (*image).to_owned()).collect(),
        };
        let layers = vec![
            layer("bookworm", Phase::Base, None, &["a", "b", "c"]),
            layer("sshd", Phase::Configure, Some("bookworm"), &["a", "b", "c"]),
            layer("web", Phase::Configure, Some("sshd"), &["a", "b"]),
            layer("one", Phase::Boot, Some("web"), &["a"]),
            layer("a", Phase::Finalize, Some("one"), &["a"]),
            layer("b", Phase::Finalize, Some("web"), &["b"]),
            layer("c", Phase::Finalize, Some("sshd"), &["c"]),
            layer("trixie", Phase::Base, None, &["d"]),
            layer("d", Phase::Finalize, Some("trixie"), &["d"]),
        ];
        (Graph { layers }, HashMap::from([key("bookworm"), key("sshd")].map(|key| (key, Place::Here))))
    }

    #[test]
    fn a_tree_has_a_line_for_each_layer() {
        let (graph, cached) = graph();
        let unicode = Terminal { unicode: true, ..Terminal::PLAIN };
        insta::assert_snapshot!(text(&graph, &cached, unicode), @r#"
        base bookworm     cached
        configure sshd    cached
        ├─ configure web  will run
        │  ├─ boot one    will run
        │  │  finalize a  will run
        │  └─ finalize b  will run
        └─ finalize c     will run
        base trixie       will run
        finalize d        will run

        2 of 9 steps are cached; without sharing, the images would have 14 steps
        "#);
        assert!(text(&graph, &cached, Terminal::PLAIN).is_ascii());
    }

    #[test]
    fn the_graph_is_valid_dot() {
        let (graph, cached) = graph();
        insta::assert_snapshot!(dot(&graph, &cached), @r##"
        digraph layers {
          rankdir=LR
          node [shape=box, fontname="sans-serif"]
          "84938191021c" [label="base bookworm", style=filled, fillcolor="#e0e0e0"]
          "8b51ac5ca03b" [label="configure sshd", style=filled, fillcolor="#e0e0e0"]
          "84938191021c" -> "8b51ac5ca03b"
          "4b5e57f6eb2f" [label="configure web"]
          "8b51ac5ca03b" -> "4b5e57f6eb2f"
          "7692c3ad3540" [label="boot one"]
          "4b5e57f6eb2f" -> "7692c3ad3540"
          "ca978112ca1b" [label="finalize a"]
          "7692c3ad3540" -> "ca978112ca1b"
          "3e23e8160039" [label="finalize b"]
          "4b5e57f6eb2f" -> "3e23e8160039"
          "2e7d2c03a950" [label="finalize c"]
          "8b51ac5ca03b" -> "2e7d2c03a950"
          "50573ac999b4" [label="base trixie"]
          "18ac3e7343f0" [label="finalize d"]
          "50573ac999b4" -> "18ac3e7343f0"
        }
        "##);
    }
}
