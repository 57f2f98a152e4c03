//! Output of `goldsmith images` for people.
//!
//! Other people may have named the images: all text goes through [`printable`].

use std::time::Duration;

use jiff::Timestamp;
use serde_json::Value;

use crate::cli::output::columns;
use crate::openstack::cache::Cache;
use crate::openstack::image::Image;
use crate::openstack::metadefs::Namespace;
use crate::openstack::{Member, Store};
use crate::publish::trees::TreeImage;
use crate::text::printable;
use crate::units::ByteSize;

/// A line for each image.
pub(super) fn list(images: &[Image]) -> String {
    if images.is_empty() {
        return "no image\n".to_owned();
    }
    let heading = ["ID", "NAME", "STATUS", "VISIBILITY", "FORMAT", "SIZE", "CREATED"];
    let mut rows = vec![heading.map(str::to_owned).to_vec()];
    rows.extend(images.iter().map(|image| {
        vec![
            shown(&image.id),
            shown(image.name.as_deref().unwrap_or("-")),
            shown(&image.status),
            shown(&image.visibility),
            shown(image.disk_format.as_deref().unwrap_or("-")),
            image.size.map_or_else(|| "-".to_owned(), |size| ByteSize::bytes(size).to_string()),
            shown(image.created_at.as_deref().unwrap_or("-")),
        ]
    }));
    columns(&rows)
}

/// A line for each version of the images in a directory or a bucket.
pub(super) fn tree(images: &[TreeImage]) -> String {
    if images.is_empty() {
        return "no image\n".to_owned();
    }
    let heading = ["ID", "STATUS", "CHECKS", "FORMAT", "SIZE", "CREATED"];
    let mut rows = vec![heading.map(str::to_owned).to_vec()];
    rows.extend(images.iter().map(|image| {
        let created = image.summary.as_ref().and_then(|summary| summary.created);
        vec![
            shown(&image.id),
            status(image).to_owned(),
            checks(image).to_owned(),
            shown(&formats(image)),
            ByteSize::bytes(image.size).to_string(),
            created.map_or_else(|| "-".to_owned(), |created| created.to_string()),
        ]
    }));
    columns(&rows)
}

fn status(image: &TreeImage) -> &'static str {
    match (image.promoted, image.rolled_back) {
        (true, _) => "promoted",
        (false, true) => "rolled back",
        (false, false) => "-",
    }
}

fn checks(image: &TreeImage) -> &'static str {
    match image.passed() {
        Some(true) => "passed",
        Some(false) => "failed",
        None => "-",
    }
}

fn formats(image: &TreeImage) -> String {
    let artifacts = image.summary.iter().flat_map(|summary| &summary.artifacts);
    let formats: Vec<_> = artifacts.map(|artifact| artifact.output.format.name()).collect();
    if formats.is_empty() { "-".to_owned() } else { formats.join(", ") }
}

/// Describes a version that would be removed.
pub(super) fn tree_facts(image: &TreeImage) -> String {
    let promoted = if image.promoted { "; it is promoted, and nothing is after that" } else { "" };
    shown(&format!("{}, {}, {}{promoted}", formats(image), ByteSize::bytes(image.size), image.place))
}

/// Describes one of several versions that the user may mean.
pub(super) fn tree_candidate(image: &TreeImage) -> String {
    shown(&format!("{}: {}, {}", image.id, formats(image), status(image)))
}

/// Shows all facts about an image, one a line.
pub(super) fn show(image: &Image) -> String {
    let fields = image.fields();
    let rows: Vec<_> = fields
        .iter()
        .filter(|(_, value)| !value.is_null())
        .map(|(name, value)| {
            let text = match value {
                Value::String(text) => text.clone(),
                Value::Array(list) => list.iter().map(plain).collect::<Vec<_>>().join(", "),
                value => value.to_string(),
            };
            let size = (name == "size" || name == "virtual_size").then(|| value.as_u64()).flatten();
            let size = size.map(|size| format!(" ({})", ByteSize::bytes(size))).unwrap_or_default();
            vec![shown(name), format!("{}{size}", shown(&text))]
        })
        .collect();
    columns(&rows)
}

/// A line for each project that an image is shared with.
pub(super) fn members(members: &[Member]) -> String {
    if members.is_empty() {
        return "shared with nobody\n".to_owned();
    }
    columns(&members.iter().map(|member| vec![shown(&member.member_id), shown(&member.status)]).collect::<Vec<_>>())
}

/// A line for each store.
pub(super) fn stores(stores: &[Store]) -> String {
    if stores.is_empty() {
        return "one store, which has no name\n".to_owned();
    }
    let rows = stores.iter().map(|store| {
        let default = if store.default { "default" } else { "" };
        vec![shown(&store.id), default.to_owned(), shown(store.description.as_deref().unwrap_or_default())]
    });
    columns(&rows.collect::<Vec<_>>())
}

/// A line for each image in the cache, and for each that will be.
pub(super) fn cache(cache: &Cache) -> String {
    if cache.cached_images.is_empty() && cache.queued_images.is_empty() {
        return "the cache is empty\n".to_owned();
    }
    let mut rows = vec![["ID", "STATE", "SIZE", "HITS", "LAST USED"].map(str::to_owned).to_vec()];
    rows.extend(cache.cached_images.iter().map(|cached| {
        // Whole seconds are enough.
        let used = Duration::try_from_secs_f64(cached.last_accessed.trunc()).ok();
        let used = used.and_then(|used| Timestamp::UNIX_EPOCH.checked_add(used).ok());
        vec![
            shown(&cached.image_id),
            "cached".to_owned(),
            ByteSize::bytes(cached.size).to_string(),
            cached.hits.to_string(),
            used.map_or_else(|| "-".to_owned(), |used| used.to_string()),
        ]
    }));
    rows.extend(cache.queued_images.iter().map(|id| {
        let [queued, nothing] = ["queued", "-"].map(str::to_owned);
        vec![shown(id), queued, nothing.clone(), nothing.clone(), nothing]
    }));
    columns(&rows)
}

/// A line for each namespace of definitions.
pub(super) fn namespaces(namespaces: &[Namespace]) -> String {
    if namespaces.is_empty() {
        return "no definitions\n".to_owned();
    }
    let rows = namespaces.iter().map(|namespace| {
        let prefix = namespace.prefix().unwrap_or_default();
        let name = namespace.display_name.as_deref().unwrap_or_default();
        vec![shown(&namespace.namespace), shown(if prefix.is_empty() { "-" } else { prefix }), shown(name)]
    });
    let heading = ["NAMESPACE", "PREFIX", "ABOUT"].map(str::to_owned).to_vec();
    columns(&[heading].into_iter().chain(rows).collect::<Vec<_>>())
}

/// Shows the description of a namespace, and a line for each property, with its name in images.
pub(super) fn namespace(namespace: &Namespace) -> String {
    let line = |text: &str| shown(&text.split_whitespace().collect::<Vec<_>>().join(" "));
    let prefix = namespace.prefix().unwrap_or_default();
    let rows = namespace.properties.iter().map(|(name, property)| {
        let range = [("at least", &property.minimum), ("at most", &property.maximum)];
        let range = range.into_iter().filter_map(|(word, value)| Some(format!("{word} {}", value.as_ref()?)));
        let items = property.items.iter().flat_map(|items| items.allowed());
        let values: Vec<_> = property.allowed().chain(items).chain(range).collect();
        let values = if values.is_empty() { "-".to_owned() } else { line(&values.join(", ")) };
        let about = property.description.as_deref().or(property.title.as_deref()).unwrap_or_default();
        vec![shown(&format!("{prefix}{name}")), shown(&property.kind), values, line(about)]
    });
    let heading = ["PROPERTY", "TYPE", "VALUES", "MEANING"].map(str::to_owned).to_vec();
    let about = namespace.description.as_deref().map(|text| format!("{}\n\n", line(text))).unwrap_or_default();
    about + &columns(&[heading].into_iter().chain(rows).collect::<Vec<_>>())
}

/// Describes one of several images that the user may mean.
pub(super) fn candidate(image: &Image) -> String {
    let created = image.created_at.as_deref().unwrap_or("an unknown time");
    shown(&format!("{}: {}, {}, of {created}", image.id, image.status, image.visibility))
}

fn plain(value: &Value) -> String {
    value.as_str().map_or_else(|| value.to_string(), str::to_owned)
}

pub(super) fn shown(text: &str) -> String {
    printable(text.as_bytes())
}
