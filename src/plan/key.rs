//! What a layer key is made of.
//!
//! A key is the digest of the canonical JSON of its *ingredients*: everything that may change the layer's
//! content, and nothing else. Names of recipes and elements, times, host paths, verbosity, memory, deadlines
//! and the values of secrets are not in it. The ingredients are stored beside the layer, so that a later miss can be explained.

use std::collections::{BTreeMap, BTreeSet};

use serde_json::{Map, Value, json};

use super::{Arguments, Asset, BasePlan, DiskPlan};
use crate::action::Action;
use crate::distro::Os;
use crate::layer::{LayerKey, canonical};
use crate::recipe::Arch;

/// Version of the ingredients' form and of what actions do. A change of either makes every layer anew.
pub const FORMAT: u32 = 4;

/// Ingredients of the layer that holds the base.
///
/// All layers stand on it, so it also holds the mechanisms, by which actions are carried out in any of them. What else is
/// known of a distribution is in the actions that ask for it.
pub fn base(arch: Arch, os: &Os, disk: &DiskPlan, base: &BasePlan, packages: &BTreeMap<String, Vec<String>>) -> Value {
    match base {
        BasePlan::Bootstrap { source, repositories } => {
            let mirrors: BTreeMap<_, _> = repositories.iter().map(|pin| (&pin.suite, &pin.url)).collect();
            let repositories: BTreeMap<_, _> = repositories.iter().map(|pin| (&pin.suite, pin.sha256)).collect();
            json!({
                "format": FORMAT,
                "parent": null,
                "base": { "bootstrap": {
                    "distro": source.distro, "release": source.release, "components": source.components, "arch": arch,
                    // The image's own package manager trusts these keys.
                    "keyring": os.bootstrap.as_ref().map(|how| &how.keyring.file),
                } },
                "mechanisms": os.mechanisms,
                "disk": { "size": disk.size, "layout": disk.layout },
                "packages": packages.keys().collect::<BTreeSet<_>>(),
                "repositories": repositories,
                // They are what the image's own package manager will ask.
                "mirrors": mirrors,
            })
        }
        BasePlan::Image { sha256, .. } => json!({
            "format": FORMAT,
            "parent": null,
            "base": { "image": sha256 },
            "mechanisms": os.mechanisms,
            "disk": { "size": disk.size },
        }),
    }
}

/// Ingredients of the layer of one step.
///
/// `refreshed` is the moment from which the repositories of a base image are taken; it counts for steps
/// that install packages.
pub fn step(
    parent: LayerKey,
    actions: &[Action],
    files: &BTreeMap<String, Asset>,
    refreshed: Option<&str>,
    arguments: Option<&Arguments>,
) -> Value {
    let mut ingredients = Map::new();
    ingredients.insert("format".to_owned(), json!(FORMAT));
    ingredients.insert("parent".to_owned(), json!(parent));
    ingredients.insert("actions".to_owned(), Value::Array(actions.iter().map(keyed).collect()));
    ingredients.insert("files".to_owned(), json!(files));
    ingredients.insert("network".to_owned(), json!(actions.iter().any(Action::uses_network)));
    if let Some(arguments) = arguments {
        ingredients.insert("arguments".to_owned(), json!(arguments));
    }
    if let Some(refreshed) = refreshed
        && actions.iter().any(|action| matches!(action, Action::Packages(_)))
    {
        ingredients.insert("refreshed".to_owned(), json!(refreshed));
    }
    Value::Object(ingredients)
}

/// Key of some ingredients.
pub fn of(ingredients: &Value) -> LayerKey {
    LayerKey::of(&canonical(ingredients))
}

/// An action without its deadline, which changes nothing in the layer.
fn keyed(action: &Action) -> Value {
    let mut action = action.clone();
    if let Action::Run(run) = &mut action {
        run.timeout = None;
    }
    json!(action)
}
