//! The commands `goldsmith validate` and `goldsmith elements`: check a recipe, and show elements, without a build.

use std::path::PathBuf;

use clap::{Args, Subcommand};
use serde_json::json;

use super::failure::{Failure, FailureKind};
use super::hints;
use super::options::RecipeOptions;
use super::output::{columns, print};
use super::settings::Global;
use crate::element::library::{Element, Library};
use crate::pipeline::Source;

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
    },
}

/// Checks recipes and all that they use.
pub(super) fn validate(args: &RecipeOptions, global: &Global) -> Result<(), Failure> {
    for Source { path, loaded, .. } in &args.read(global)?.images {
        if global.json {
            print(&format!("{}\n", json!({ "recipe": loaded.recipe.name, "valid": true, "notes": loaded.notes })));
            continue;
        }
        let mut text = format!("{}: recipe `{}` is valid", path.display(), loaded.recipe.name);
        if let Some(composition) = &loaded.composition {
            text.push_str(&format!(" ({} steps, {} packages)", composition.steps.len(), composition.packages.len()));
        }
        text.push('\n');
        for note in &loaded.notes {
            text.push_str(&format!("note: {note}\n"));
        }
        print(&text);
    }
    Ok(())
}

/// Lists elements or shows one.
pub(super) fn elements(args: &Elements, global: &Global) -> Result<(), Failure> {
    if let Some(dir) = args.elements.iter().find(|dir| !dir.is_dir()) {
        return Err(Failure::of(FailureKind::Usage, format!("there is no directory of elements at {}", dir.display())));
    }
    let mut dirs = args.elements.clone();
    // The same folder as for a recipe in the current directory.
    dirs.push("elements".into());
    let library = Library::with_distros(dirs, super::distros::known(&args.distros, global)?);
    match &args.command {
        Some(ElementsVerb::Show { name }) => {
            let element = library.load(name).map_err(|found| hints::recipe(&found, global))?;
            if global.json {
                print(&format!("{}\n", record(&element)));
            } else {
                print(&shown(&element));
            }
        }
        None => {
            let mut rows = Vec::new();
            let mut listed = Vec::new();
            for name in library.names().into_keys() {
                let element = library.load(&name).map_err(|found| hints::recipe(&found, global))?;
                rows.push(vec![name, element.description.clone()]);
                listed.push(record(&element));
            }
            print(&if global.json { format!("{}\n", json!(listed)) } else { columns(&rows) });
        }
    }
    Ok(())
}

/// An element for programs.
fn record(element: &Element) -> serde_json::Value {
    json!({
        "name": element.name,
        "description": element.description,
        "origin": element.origin.to_string(),
        "params": element.params,
        "requires": element.requires,
        "after": element.after,
        "conflicts": element.conflicts,
        "text": element.text(),
    })
}

/// Returns an element for people: its description, its parameters and its file.
fn shown(element: &Element) -> String {
    let mut text = format!("{}: {}\n", element.name, element.description);
    text.push_str(&format!("from {}\n", element.origin));
    for (what, names) in
        [("requires", &element.requires), ("after", &element.after), ("conflicts with", &element.conflicts)]
    {
        if !names.is_empty() {
            text.push_str(&format!("{what}: {}\n", names.join(", ")));
        }
    }
    if !element.params.is_empty() {
        let rows: Vec<_> = element
            .params
            .iter()
            .map(|(name, param)| {
                let default = param.default.as_ref().map_or("required".to_owned(), ToString::to_string);
                let kind = format!("{:?}", param.kind).to_lowercase();
                vec![format!("  {name}"), kind, default, param.description.clone().unwrap_or_default()]
            })
            .collect();
        text.push_str(&format!("\nparameters:\n{}", columns(&rows)));
    }
    text.push_str(&format!("\n{}", element.text()));
    text
}
