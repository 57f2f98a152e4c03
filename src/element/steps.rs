//! The actions in an `element.yaml`: below `steps`, as in a recipe, or in the old form with the phases at the top.

use std::sync::Arc;

use super::schema::Steps;
use crate::yaml::{Diagnostic, Key, Map, Node, Source, Span, Style, Value, list};

/// Key of the actions.
const STEPS: &str = "steps";

/// Puts phases at the top of a file below `steps`, and returns a note about the old form. A file has one of the two forms.
pub(super) fn gathered(root: &mut Node, source: &Arc<Source>, found: &mut Vec<Diagnostic>) -> Option<String> {
    let Value::Map(map) = &mut root.value else { return None };
    let is_phase = |entry: &mut (Key, Node)| Steps::PHASES.contains(&entry.0.text.as_str());
    let entries: Vec<(Key, Node)> = map.entries.extract_if(.., is_phase).collect();
    let first = entries.first().map(|(key, _)| key.span)?;
    if map.entries.iter().any(|(key, _)| key.text == STEPS) {
        for (key, _) in &entries {
            let message = format!("`{}` stands beside `steps`", key.text);
            found.push(Diagnostic::new(source, key.span, message).help("put it below `steps:`"));
        }
        return None;
    }
    let names: Vec<_> = entries.iter().map(|(key, _)| key.text.clone()).collect();
    let line = source.position(first.start).line;
    let span = Span { start: first.start, end: entries.last().map_or(first.end, |(_, node)| node.span.end) };
    let steps = Node { value: Value::Map(Map { entries, ..Map::default() }), span, style: Style::Plain };
    map.entries.push((Key { text: STEPS.to_owned(), span: first }, steps));
    Some(format!(
        "{}:{line}: put {} below `steps:`, as in a recipe; later versions do not read phases at the top of an element",
        source.name(),
        list(&names)
    ))
}

/// Empties the phases below `steps`, so that only their names are left. Templates in actions are for a recipe to decide.
pub(super) fn names_only(mut root: Node) -> Node {
    if let Value::Map(map) = &mut root.value
        && let Some((_, steps)) = map.entries.iter_mut().find(|(key, _)| key.text == STEPS)
    {
        *steps = steps.filtered(|phase| !Steps::PHASES.contains(&phase));
    }
    root
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::yaml::parse;

    #[test]
    fn phases_at_the_top_are_read_with_a_note() {
        let read = |text: &str| {
            let source = Source::new("element.yaml", text);
            let (mut root, mut found) = (parse(&source).0.expect("it is YAML"), Vec::new());
            let note = gathered(&mut root, &source, &mut found);
            assert!(found.is_empty(), "{found:?}");
            (root, note)
        };
        let action = "- remove: [/a]";
        let (old, note) = read(&format!("name: x\nclean:\n  {action}\nchecks: []\nboot:\n  {action}\n"));
        let (new, none) =
            read(&format!("name: x\nsteps:\n  clean:\n    {action}\n  boot:\n    {action}\nchecks: []\n"));
        for phase in ["clean", "boot"] {
            let action = |root: &Node| {
                root.get("steps")
                    .and_then(|steps| steps.get(phase))
                    .map(|node| node.list()[0].get("remove").map(|node| node.list()[0].text() == Some("/a")))
            };
            assert_eq!((action(&old), action(&new)), (Some(Some(true)), Some(Some(true))), "{phase}");
        }
        assert!(old.get("clean").is_none() && old.get("checks").is_some());
        assert_eq!(none, None);
        let note = note.expect("the form is old");
        assert!(note.starts_with("element.yaml:2: put `clean`, `boot` below `steps:`"), "{note}");
    }
}
