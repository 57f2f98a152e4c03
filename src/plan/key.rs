//! Makes layer keys from their ingredients.
//!
//! A key is the digest of the canonical JSON of its *ingredients*: everything that may change the layer's content, and nothing
//! else. It does not contain names of recipes and elements, times, host paths, verbosity, memory, deadlines or the values of
//! secrets. The ingredients are stored beside the layer, to explain a later miss.

use std::collections::{BTreeMap, BTreeSet};

use serde_json::{Map, Value, json};

use super::{Arguments, Asset, BasePlan, Derived, DiskPlan, InstallerPlan};
use crate::action::Action;
use crate::distro::Os;
use crate::layer::{LayerKey, canonical};
use crate::recipe::{Arch, Installer};

/// Version of the form of ingredients and of the effect of actions. After a change of the version, builds make every layer again.
pub const FORMAT: u32 = 8;

/// Version of the steps that grow an image that becomes a base. After a change of the version, builds make all layers on images
/// again, and no others.
const GROWTH: u32 = 2;

/// Version of what is made of a tree. After a change of the version, builds make all layers on trees again, and no others.
const UNPACKING: u32 = 1;

/// Version of how installers run. After a change of the version, builds make all layers on installed disks again, and no others.
const INSTALLING: u32 = 1;

/// Returns the ingredients of the base layer.
///
/// All layers are on top of it, so it also contains the mechanisms by which every later step carries out actions. Other facts
/// about a distribution are in the actions that use them.
pub fn base(arch: Arch, os: &Os, disk: &DiskPlan, base: &BasePlan, packages: &BTreeMap<String, Vec<String>>) -> Value {
    match base {
        BasePlan::Bootstrap { source, repositories } => {
            let mirrors: BTreeMap<_, _> = repositories.iter().map(|pin| (&pin.suite, &pin.url)).collect();
            let repositories: BTreeMap<_, _> = repositories.iter().map(|pin| (&pin.suite, pin.sha256)).collect();
            let always = os.bootstrap.as_ref().map_or(&[][..], |how| &how.packages);
            let mut bootstrap = json!({
                "distro": source.distro, "release": source.release, "components": source.components, "arch": arch,
                // Two programs can make a tree of the same repositories.
                "tool": os.bootstrap.as_ref().map(|how| how.tool),
                // The image's own package manager trusts these keys.
                "keyring": os.bootstrap.as_ref().map(|how| &how.keyring.file),
            });
            if let Some(database) = os.bootstrap.as_ref().and_then(|how| how.database.as_ref()) {
                bootstrap["database"] = json!(database);
            }
            // The image's list of repositories says so.
            if source.allow_expired {
                bootstrap["allow-expired"] = json!(true);
            }
            json!({
                "format": FORMAT,
                "parent": null,
                "base": { "bootstrap": bootstrap },
                "mechanisms": os.mechanisms,
                "disk": partitioned(disk),
                "packages": packages.keys().chain(always).collect::<BTreeSet<_>>(),
                "repositories": repositories,
                // The image's own package manager will use these mirrors.
                "mirrors": mirrors,
            })
        }
        BasePlan::Image { sha256, .. } => json!({
            "format": FORMAT,
            "parent": null,
            "base": { "image": sha256 },
            "mechanisms": os.mechanisms,
            "disk": { "size": disk.size, "growth": GROWTH },
        }),
        BasePlan::Tree { sha256, .. } => json!({
            "format": FORMAT,
            "parent": null,
            "base": { "tree": sha256, "unpacking": UNPACKING },
            "mechanisms": os.mechanisms,
            "disk": partitioned(disk),
        }),
        BasePlan::Installer(plan) => json!({
            "format": FORMAT,
            "parent": null,
            "base": { "installer": installer(plan, arch), "installing": INSTALLING },
            "mechanisms": os.mechanisms,
            "disk": { "size": disk.size },
        }),
    }
}

/// Returns what of an installer counts: everything that it sees, but no value of a secret.
fn installer(plan: &InstallerPlan, arch: Arch) -> Value {
    let InstallerPlan { base: Installer { source, answer }, answer: digest, digests, refreshed, .. } = plan;
    let mut counts = json!({
        "arch": arch,
        // The finished disk is compared with them.
        "distro": source.distro, "release": source.release,
        "files": digests,
        answer.kind.name(): digest,
        "arguments": source.arguments,
        "firmware": source.firmware(arch),
        // Installers size swap by it.
        "memory": source.memory,
        "network": source.network,
    });
    if source.proxy {
        counts["proxy"] = json!(true);
    }
    // Its packages are those of its mirror at one moment.
    if let Some(refreshed) = refreshed {
        counts["refreshed"] = json!(refreshed);
    }
    counts
}

/// Returns what of a disk counts if its partitions are made.
fn partitioned(disk: &DiskPlan) -> Value {
    let mut partitioned = json!({ "size": disk.size, "layout": disk.layout });
    if !disk.partitions.is_empty() {
        partitioned["table"] = json!(disk.table);
        partitioned["partitions"] = json!(disk.partitions);
    }
    partitioned
}

/// Returns the ingredients of a step's layer.
///
/// `refreshed` is the time when the user last asked to refresh the repositories of a base image. It counts only for steps that
/// install packages.
pub fn step(
    parent: LayerKey,
    actions: &[Action],
    files: &BTreeMap<String, Asset>,
    refreshed: Option<&str>,
    arguments: Option<&Arguments>,
    derived: Option<&Derived>,
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
    if let Some(derived) = derived {
        ingredients.insert("derived".to_owned(), json!(derived));
    }
    if let Some(refreshed) = refreshed
        && actions.iter().any(|action| matches!(action, Action::Packages(_)))
    {
        ingredients.insert("refreshed".to_owned(), json!(refreshed));
    }
    Value::Object(ingredients)
}

/// Returns the key of ingredients.
pub fn of(ingredients: &Value) -> LayerKey {
    LayerKey::of(&canonical(ingredients))
}

/// Returns an action without its deadline, which changes nothing in the layer.
fn keyed(action: &Action) -> Value {
    let mut action = action.clone();
    match &mut action {
        Action::Run(run) => run.timeout = None,
        Action::Ansible(ansible) => ansible.timeout = None,
        _ => {}
    }
    json!(action)
}
