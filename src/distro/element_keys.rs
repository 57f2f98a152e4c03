//! Check of an element's `packages`: its distributions and families must be known.

use std::sync::Arc;

use super::Distros;

use crate::yaml::{Diagnostic, Node, Source, list, near};

/// Checks the keys of an element's `packages`.
pub(crate) fn package_keys(root: &Node, distros: &Distros, source: &Arc<Source>, found: &mut Vec<Diagnostic>) {
    for (key, _) in root.get("packages").and_then(Node::map).map_or(&[][..], |map| &map.entries) {
        let name = key.text.as_str();
        let known = distros.package_keys();
        let distro = name.split_once('-').map_or(name, |(distro, _)| distro);
        let release_of = distro != name && distros.iter().any(|one| one.file.name == distro);
        if !known.contains(&name) && !release_of {
            found.push(
                Diagnostic::new(source, key.span, format!("unknown distribution or family `{name}`"))
                    .did_you_mean(near(name, &known))
                    .help(format!("known here: {}, and `<distribution>-<release>`", list(&known))),
            );
        }
    }
}
