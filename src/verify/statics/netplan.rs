//! Reads which network cards netplan configures by DHCP.

use std::collections::BTreeMap;

use crate::inspect::Tree;

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
        let text = tree.text(path);
        for (card, on, line) in settings(&text) {
            cards.insert(card.to_owned(), on.then(|| format!("{path}: {}", line.trim())));
        }
    }
    cards.into_values().flatten().next()
}

/// Returns each setting `dhcp4` with its card, its value and its line, in both notations of YAML.
fn settings(text: &str) -> Vec<(&str, bool, &str)> {
    let mut found = Vec::new();
    // Keys of the mappings around a line, with their indentation.
    let mut above: Vec<(usize, &str)> = Vec::new();
    for line in text.lines() {
        let content = line.trim_start();
        if content.is_empty() || content.starts_with('#') {
            continue;
        }
        let indent = line.len() - content.len();
        above.truncate(above.iter().position(|(other, _)| *other >= indent).unwrap_or(above.len()));
        let content = content.split(" #").next().unwrap_or(content).trim_end();
        if let Some(on) = value(content) {
            found.push((above.last().map_or("", |(_, key)| *key), on, line));
            continue;
        }
        let (mut card, mut rest) = ("", content);
        // In `ethernets: {eth0: {dhcp4: true}}` the key before each brace names what is in it.
        while let Some((before, behind)) = rest.split_once('{') {
            card = before.rsplit([',', '{', '}']).next().unwrap_or_default().trim().trim_end_matches(':');
            let inner = behind.split('{').next().unwrap_or_default();
            found.extend(inner.split([',', '}']).filter_map(|part| value(part.trim())).map(|on| (card, on, line)));
            rest = behind;
        }
        if card.is_empty()
            && let Some(key) = content.strip_suffix(':')
        {
            above.push((indent, key));
        }
    }
    found
}

/// Returns the value of `dhcp4: VALUE`: YAML 1.1 has several words for true.
fn value(text: &str) -> Option<bool> {
    let value = text.strip_prefix("dhcp4")?.trim_start().strip_prefix(':')?.trim().trim_matches(['"', '\'']);
    Some(["true", "yes", "on", "y"].contains(&value.to_ascii_lowercase().as_str()))
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
        ] {
            let found = dhcp(&tree(files));
            assert_eq!(found.is_some(), expected.is_some(), "{files:?}: {found:?}");
            assert!(found.unwrap_or_default().starts_with(expected.unwrap_or_default()), "{files:?}");
        }
    }
}
