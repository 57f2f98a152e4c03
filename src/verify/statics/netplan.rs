//! Reads which network cards netplan configures by DHCP.

use std::collections::BTreeMap;

use super::texts::{is_yes, line_of, scalar, yaml};
use crate::inspect::Tree;
use crate::yaml::Node;

/// Files of netplan, in the order of the directories from which one file replaces another of the same name: netplan-generate(8).
pub(super) const FILES: &[&str] = &["/etc/netplan/*.yaml", "/{usr/lib,lib}/netplan/*.yaml"];

/// Returns the first line that has netplan use DHCP for IPv4, with its file. Files count in the order of their names, and the last
/// value of a card counts.
pub(super) fn dhcp(tree: &Tree) -> Option<String> {
    let mut files = BTreeMap::new();
    for path in FILES.iter().flat_map(|pattern| tree.glob(pattern)) {
        let name = path.rsplit('/').next().unwrap_or_default().to_owned();
        files.entry(name).or_insert(path);
    }
    let mut cards: BTreeMap<String, Option<String>> = BTreeMap::new();
    for path in files.values() {
        let Some((source, root)) = yaml(tree, path) else { continue };
        // `network` has a map for each kind of card, such as `ethernets`, and that has a map for each card.
        let kinds = root.get("network").and_then(Node::map).into_iter().flat_map(|network| &network.entries);
        let settings = kinds.filter_map(|(_, kind)| kind.map()).flat_map(|kind| &kind.entries);
        for (card, setting) in settings {
            if let (Some(key), Some(value)) = (setting.key("dhcp4"), setting.get("dhcp4")) {
                let line = is_yes(&scalar(value)).then(|| format!("{path}: {}", line_of(&source, key)));
                cards.insert(card.text.clone(), line);
            }
        }
    }
    cards.into_values().flatten().next()
}

#[cfg(all(test, feature = "testing"))]
mod tests {
    use super::*;
    use crate::inspect::tree::tests::tree;

    #[test]
    fn the_last_value_of_a_card_counts_in_every_notation() {
        let block = "network:\n  ethernets:\n    eth0:\n      dhcp4: yes # by the cloud\n";
        let flow = "network: {version: 2, ethernets: {eth0: {optional: true, dhcp4: on}}}\n";
        let off = "network:\n  ethernets:\n    eth0: {dhcp4: false}\n";
        let other = "network:\n  ethernets:\n    eth1:\n      # dhcp4: true\n      dhcp4: false\n";
        let (a, b, lib) = ("/etc/netplan/a.yaml", "/etc/netplan/b.yaml", "/usr/lib/netplan/a.yaml");
        for (files, expected) in [
            (&[(a, block)][..], Some("/etc/netplan/a.yaml: dhcp4: yes # by the cloud")),
            (&[(a, flow)], Some("/etc/netplan/a.yaml: network: {version: 2")),
            (&[(lib, block)], Some("/usr/lib/netplan/a.yaml: dhcp4: yes")),
            (&[(a, block), (b, off)], None),
            (&[(a, off), (b, block)], Some("/etc/netplan/b.yaml")),
            (&[(lib, block), (a, other)], None),
            (&[(a, block), (b, other)], Some("/etc/netplan/a.yaml")),
            (&[(a, other)], None),
            (&[(a, "network:\n  ethernets:\n    eth0:\n      match: {name: \"dhcp4: true\"}\n")], None),
            (
                &[(a, "network:\n  ethernets:\n    eth0: &all\n      dhcp4: true\n    eth1: *all\n")],
                Some("/etc/netplan/a.yaml: dhcp4: true"),
            ),
            (&[(a, "network: {")], None),
        ] {
            let found = dhcp(&tree(files));
            assert_eq!(found.is_some(), expected.is_some(), "{files:?}: {found:?}");
            assert!(found.unwrap_or_default().starts_with(expected.unwrap_or_default()), "{files:?}");
        }
    }
}
