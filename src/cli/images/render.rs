//! Images of a cloud, for people.
//!
//! Others may have named them: everything goes through [`printable`].

use serde_json::Value;

use crate::cli::columns;
use crate::openstack::image::Image;
use crate::openstack::{Member, Store};
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

/// All that is known of an image, a line each.
pub(super) fn show(image: &Image) -> String {
    let Ok(Value::Object(fields)) = serde_json::to_value(image) else { return String::new() };
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

/// One of several that may be meant.
pub(super) fn candidate(image: &Image) -> String {
    let created = image.created_at.as_deref().unwrap_or("an unknown time");
    shown(&format!("{}: {}, {}, of {created}", image.id, image.status, image.visibility))
}

fn plain(value: &Value) -> String {
    value.as_str().map_or_else(|| value.to_string(), str::to_owned)
}

fn shown(text: &str) -> String {
    printable(text.as_bytes())
}
