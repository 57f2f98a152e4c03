//! The element library, from the elements' own files.

use goldsmith::element::library::{Element, ElementOrigin, Library};
use goldsmith::element::schema::Param;

use super::generated::{head, row};
use super::pages;

fn library() -> Library {
    Library::new(vec![])
}

fn load(name: &str) -> Element {
    library().load(name).unwrap_or_else(|errors| panic!("{errors}"))
}

/// A list of all elements, then each with its parameters and notes.
pub(crate) fn all() -> String {
    let names: Vec<_> = library().names().into_iter().filter(|(_, origin)| *origin == ElementOrigin::BuiltIn).collect();
    let mut list = head(["element", "what it adds to the image"]);
    let mut text = String::new();
    for (name, _) in names {
        let element = load(&name);
        list.push_str(&row([&format!("[`{name}`](#{name})"), &format!("{}.", element.description)]));
        let (said, notes) = readme(&name);
        text.push_str(&format!("## `{name}`\n\n{said}\n\n{}", asks(&element)));
        if !element.params.is_empty() {
            text.push_str(&format!("{}\n", parameters(&name)));
        }
        text.push_str(&format!("{notes}\n\n"));
    }
    format!("{list}\n{text}")
}

/// What an element asks of others.
fn asks(element: &Element) -> String {
    let mut text = String::new();
    for (what, names) in [
        ("Requires", &element.requires),
        ("Runs after these elements, if the recipe lists them", &element.after),
        ("Conflicts with", &element.conflicts),
    ] {
        if names.iter().any(|name| name == "*") {
            text.push_str("Runs after all other elements of the recipe.\n\n");
        } else if !names.is_empty() {
            let names: Vec<_> = names.iter().map(|name| format!("`{name}`")).collect();
            text.push_str(&format!("{what}: {}.\n\n", names.join(", ")));
        }
    }
    text
}

/// A table of the parameters of an element.
fn parameters(name: &str) -> String {
    let mut text = head(["parameter", "type", "default", "meaning"]);
    for (name, param) in &load(name).params {
        let default = param.default.as_ref().map_or("required".to_owned(), |value| format!("`{}`", default_of(value)));
        let kind = format!("{:?}", param.kind).to_lowercase();
        text.push_str(&row([&format!("`{name}`"), &kind, &default, &meaning(param)]));
    }
    text
}

fn default_of(value: &serde_json::Value) -> String {
    match value {
        serde_json::Value::Array(list) => {
            let words: Vec<_> = list.iter().map(default_of).collect();
            format!("[{}]", words.join(", "))
        }
        serde_json::Value::String(text) if text.is_empty() => "\"\"".to_owned(),
        serde_json::Value::String(text) => text.clone(),
        other => other.to_string(),
    }
}

fn meaning(param: &Param) -> String {
    let choices: Vec<_> = param.choices.iter().flatten().map(|choice| format!("`{}`", default_of(choice))).collect();
    let text = param.description.clone().unwrap_or_default();
    if choices.is_empty() { text } else { format!("{text}: {}", choices.join(", ")) }
}

/// What the README of an element says, without what `element.yaml` says too: sentences, and a list.
fn readme(name: &str) -> (String, String) {
    let path = pages::root().join("elements").join(name).join("README.md");
    let text = std::fs::read_to_string(path).expect("an element has a README");
    let lines = || text.lines().map(str::trim_end).filter(|line| !line.starts_with(['#', '|']) && !line.is_empty());
    let sentences: Vec<_> = lines().filter(|line| !line.starts_with("- ") && !line.starts_with("Requires:")).collect();
    let notes: Vec<_> = lines().filter(|line| line.starts_with("- ")).collect();
    (sentences.join("\n\n"), notes.join("\n"))
}

/// The README of an element says what its `element.yaml` says.
#[test]
fn the_readme_of_each_element_has_its_parameters() {
    for (name, _) in library().names() {
        let path = pages::root().join("elements").join(&name).join("README.md");
        let text = std::fs::read_to_string(path).unwrap_or_default();
        for param in load(&name).params.keys() {
            assert!(text.contains(&format!("| `{param}` |")), "the README of {name} does not tell of `{param}`");
        }
    }
}
