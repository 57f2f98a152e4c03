//! The command `goldsmith config`: prints every setting, and where it comes from.

use std::path::PathBuf;

use clap::Args;
use serde_json::{Map, Value as Json, json};

use super::keys::{KEYS, Key, Kind};
use super::place::Origin;
use super::settings::Settings;
use crate::cli::failure::Failure;
use crate::cli::output::{columns, print};
use crate::cli::settings::Global;

/// `goldsmith config`.
#[derive(Debug, Args)]
pub(in crate::cli) struct Config {
    /// The recipe whose project counts [default: that of the working directory]
    pub(in crate::cli) recipe: Option<PathBuf>,
    /// Show where each value comes from
    #[arg(long)]
    show_origin: bool,
}

/// Prints the settings.
pub(in crate::cli) fn config(args: &Config, global: &Global) -> Result<(), Failure> {
    let settings = &global.settings;
    let text = if global.json { record(settings) } else { shown(settings, args.show_origin) };
    print(&text);
    Ok(())
}

fn record(settings: &Settings) -> String {
    let one = |key: &Key| {
        let (value, origin) = match settings.get(key.name) {
            Some(entry) => (entry.value.clone(), json!(entry.origin)),
            None => (Json::Null, json!(Origin::Default)),
        };
        (key.name.to_owned(), json!({ "value": value, "default": key.default, "origin": origin }))
    };
    format!("{}\n", json!({ "settings": KEYS.iter().map(one).collect::<Map<_, _>>(), "files": settings.files }))
}

fn shown(settings: &Settings, origins: bool) -> String {
    let row = |key: &Key| {
        let (value, origin) = match settings.get(key.name) {
            Some(entry) => (written(&entry.value), entry.origin.to_string()),
            None => (key.default.to_owned(), Origin::Default.to_string()),
        };
        let mut row = vec![key.name.to_owned(), value];
        row.extend(origins.then_some(origin));
        row
    };
    columns(&KEYS.iter().map(row).collect::<Vec<_>>())
}

/// Returns a value on one line.
fn written(value: &Json) -> String {
    match value {
        Json::Array(list) => list.iter().map(written).collect::<Vec<_>>().join(", "),
        Json::Object(map) => {
            let one = |(name, value): (&String, &Json)| format!("{name}: {}", written(value));
            format!("{{{}}}", map.iter().map(one).collect::<Vec<_>>().join(", "))
        }
        value => super::options::words(value),
    }
}

/// Returns the JSON Schema of configuration files, draft 2020-12.
pub(in crate::cli) fn schema() -> Json {
    let property = |key: &Key| {
        let mut schema = match key.kind {
            Kind::Path | Kind::Text | Kind::Address => json!({ "type": "string" }),
            Kind::Paths | Kind::Keys => json!({ "type": "array", "items": { "type": "string" } }),
            Kind::Word(words) => json!({ "enum": words }),
            Kind::Number => json!({ "type": "integer", "minimum": 1 }),
            Kind::Flag => json!({ "type": "boolean" }),
            Kind::Mirrors => json!({
                "type": "object",
                "additionalProperties": { "anyOf": [
                    { "type": "string" },
                    {
                        "type": "object",
                        "properties": { "main": { "type": "string" }, "security": { "type": "string" } },
                        "additionalProperties": false
                    }
                ] }
            }),
        };
        let whose = if key.project { "" } else { " Only in the file of a user." };
        schema["description"] = json!(format!("{}{whose}", key.meaning));
        (key.name.to_owned(), schema)
    };
    json!({
        "$schema": "https://json-schema.org/draft/2020-12/schema",
        "title": "Goldsmith configuration",
        "type": ["object", "null"],
        "properties": KEYS.iter().map(property).collect::<Map<_, _>>(),
        "additionalProperties": false
    })
}
