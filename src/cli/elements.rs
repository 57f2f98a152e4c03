//! The command `goldsmith elements`: lists elements, and shows one.

use std::collections::BTreeMap;
use std::path::PathBuf;

use clap::{Args, Subcommand};
use serde_json::json;

use super::failure::{Failure, FailureKind};
use super::hints;
use super::output::{print, wrapped_columns};
use super::settings::Global;
use super::terminal::Terminal;
use crate::element::library::{Element, Library};

/// `goldsmith elements`.
#[derive(Debug, Args)]
pub(super) struct Elements {
    /// What to do; without it, list
    #[command(subcommand)]
    pub(super) command: Option<ElementsVerb>,
    /// Look for elements in this directory first; repeat the option for several
    #[arg(long, value_name = "DIR", global = true)]
    pub(super) elements: Vec<PathBuf>,
    /// Look for distributions in this directory first; repeat the option for several
    #[arg(long, value_name = "DIR", global = true)]
    pub(super) distros: Vec<PathBuf>,
}

/// What to do with elements.
#[derive(Debug, Subcommand)]
pub(super) enum ElementsVerb {
    /// Show an element: its parameters, packages, steps and checks
    Show {
        /// Name of the element
        name: String,
        /// Print the file of the element
        #[arg(long, conflicts_with = "json")]
        yaml: bool,
    },
}

/// Lists elements or shows one.
pub(super) fn elements(args: &Elements, global: &Global) -> Result<(), Failure> {
    if let Some(dir) = args.elements.iter().find(|dir| !dir.is_dir()) {
        return Err(Failure::of(FailureKind::Usage, format!("there is no directory of elements at {}", dir.display())));
    }
    let mut dirs = [args.elements.as_slice(), &global.settings.paths("elements")].concat();
    // The same folder as for a recipe in the current directory.
    dirs.push("elements".into());
    let library = Library::with_distros(dirs, super::distros::known(&args.distros, global)?);
    match &args.command {
        Some(ElementsVerb::Show { name, yaml }) => {
            let element = library.load(name).map_err(|found| hints::recipe(&found, global))?;
            print(&match (global.json, yaml) {
                (true, _) => format!("{}\n", record(&element)),
                (false, true) => element.text().to_owned(),
                (false, false) => shown(&element),
            });
        }
        None => {
            let mut rows = Vec::new();
            let mut listed = Vec::new();
            for name in library.names().into_keys() {
                let element = library.load(&name).map_err(|found| hints::recipe(&found, global))?;
                rows.extend(row(&element));
                listed.push(record(&element));
            }
            print(&if global.json {
                format!("{}\n", json!(listed))
            } else {
                wrapped_columns(&rows, Terminal::stdout_width())
            });
        }
    }
    Ok(())
}

/// An element for programs.
fn record(element: &Element) -> serde_json::Value {
    let listed = |parts: Vec<(String, Vec<String>)>| json!(parts.into_iter().collect::<BTreeMap<_, _>>());
    json!({
        "name": element.name,
        "description": element.description,
        "origin": element.origin.to_string(),
        "params": element.params,
        "requires": element.requires,
        "after": element.after,
        "conflicts": element.conflicts,
        "packages": listed(element.packages()),
        "steps": listed(element.steps()),
        "checks": element.checks(),
        "notes": element.notes,
        "text": element.text(),
    })
}

/// Returns the row of an element in the list.
fn row(element: &Element) -> Vec<Vec<String>> {
    let mut rows = vec![vec![element.name.clone(), element.description.clone()]];
    if !element.params.is_empty() {
        let names: Vec<_> = element.params.keys().cloned().collect();
        rows.push(vec![String::new(), format!("parameters: {}", names.join(", "))]);
    }
    rows
}

/// Returns an element for people: what it is, what it takes, and what it does.
fn shown(element: &Element) -> String {
    let mut text = format!("{}: {}\n", element.name, element.description);
    text.push_str(&format!("from {}\n", element.origin));
    element.notes.iter().for_each(|note| text.push_str(&format!("note: {note}\n")));
    for (what, names) in
        [("requires", &element.requires), ("after", &element.after), ("conflicts with", &element.conflicts)]
    {
        if !names.is_empty() {
            text.push_str(&format!("{what}: {}\n", names.join(", ")));
        }
    }
    let params = element.params.iter().map(|(name, param)| {
        let default = param.default.as_ref().map_or("required".to_owned(), printed);
        let kind = format!("{:?}", param.kind).to_lowercase();
        let choices = param.choices.iter().flatten().map(printed).collect::<Vec<_>>().join(", ");
        let choices = if choices.is_empty() { choices } else { format!(" ({choices})") };
        let meaning = param.description.clone().unwrap_or_default();
        vec![format!("  {name}"), kind, default, format!("{meaning}{choices}")]
    });
    section(&mut text, "parameters", params.collect());
    let all = |parts: Vec<(String, Vec<String>)>, separator: &str| {
        parts.into_iter().map(|(name, values)| vec![format!("  {name}"), values.join(separator)]).collect()
    };
    section(&mut text, "packages", all(element.packages(), " "));
    let steps = element.steps().into_iter().flat_map(|(phase, actions)| {
        let first = |number| if number == 0 { format!("  {phase}") } else { String::new() };
        actions.into_iter().enumerate().map(|(number, action)| vec![first(number), action]).collect::<Vec<_>>()
    });
    section(&mut text, "steps", steps.collect());
    section(&mut text, "checks", element.checks().into_iter().map(|check| vec![String::new(), check]).collect());
    text.push_str(&format!("\n`goldsmith elements show {} --yaml` prints its file\n", element.name));
    text
}

/// Adds a part of the summary, if it has a row.
fn section(text: &mut String, name: &str, rows: Vec<Vec<String>>) {
    if !rows.is_empty() {
        text.push_str(&format!("\n{name}:\n{}", wrapped_columns(&rows, Terminal::stdout_width())));
    }
}

/// Returns a value as a recipe has it.
fn printed(value: &serde_json::Value) -> String {
    value.as_str().map_or_else(|| value.to_string(), str::to_owned)
}
