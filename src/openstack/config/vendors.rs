//! The built-in list of vendors' clouds and their addresses, as in openstacksdk.

use std::sync::LazyLock;

use super::value::{Map, Node, Value};
use super::wrong::{Result, Wrong};
use super::yaml::parse;
use crate::yaml::Source;

static KNOWN: LazyLock<Map> =
    LazyLock::new(|| parse(&Source::new("built-in:vendors.yaml", include_str!("vendors.yaml"))).unwrap_or_default());

/// Returns the profile of a vendor's cloud. Some profiles refer to an address, which is not downloaded.
pub(super) fn profile(name: &str) -> Result<Option<Map>> {
    let Some(known) = KNOWN.get(name).and_then(Node::map) else { return Ok(None) };
    if known.get("status").and_then(Node::printed).as_deref() == Some("shutdown") {
        let reason = known.get("message").and_then(Node::printed).unwrap_or_default();
        return Err(Wrong::new(format!("there is no cloud `{name}` any more: {reason}"), "use another cloud"));
    }
    Ok(Some(known.clone()))
}

/// Returns the address at which a vendor publishes the profile: the profile's name itself, or an entry of the profile.
pub(super) fn address(name: &str, profile: Option<&Map>) -> Option<String> {
    let told = profile.and_then(|profile| profile.get("profile"));
    match told.map(|node| &node.value) {
        Some(Value::Text(url)) => Some(url.clone()),
        _ => name.contains("://").then(|| name.to_owned()),
    }
}
