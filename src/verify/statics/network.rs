//! Rules about network cards, addresses and firewalls.

use super::guide::guide;
use super::texts::lines_of;
use super::unit::{Unit, unit};
use super::view::{Judged, View};
use crate::text::shell;
use crate::verify::{Finding, Group, Rule, Severity, Stage};

/// The rules of this file, each with its judge, in the order of reports.
pub(super) const RULES: Judged = &[
    (&NO_MAC_IN_UDEV, no_mac_in_udev),
    (&NO_MAC_IN_CONFIG, no_mac_in_config),
    (&NO_IFCFG_UUID, no_ifcfg_uuid),
    (&NO_STATIC_ADDRESS, no_static_address),
    (&NO_FIREWALL, no_firewall),
];

const UDEV: &[&str] = &["/etc/udev/rules.d/*.rules", "/{usr/lib,lib}/udev/rules.d/75-persistent-net-generator.rules"];
pub(super) const IFCFG: &[&str] = &["/etc/sysconfig/network-scripts/ifcfg-*", "/etc/sysconfig/network/ifcfg-*"];
pub(super) const KEYFILES: &str = "/etc/NetworkManager/system-connections/*";
pub(super) const NETPLAN: &str = "/etc/netplan/*.yaml";
const NETWORKD: &str = "/etc/systemd/network/*.{network,link,netdev}";
pub(super) const INTERFACES: &[&str] = &["/etc/network/interfaces", "/etc/network/interfaces.d/*"];
/// Files that installers leave and cloud-init would write again.
const CLOUD: &[&str] = &["/etc/cloud/cloud.cfg.d/*.cfg"];
/// Largest number of lines of one kind; a finding shows fewer.
const KEYED_LIMIT: usize = 100;

const UFW: &str = "/etc/ufw/ufw.conf";

pub(super) const WANTED: &[&str] =
    &[UDEV[0], UDEV[1], IFCFG[0], IFCFG[1], KEYFILES, NETPLAN, NETWORKD, INTERFACES[0], INTERFACES[1], UFW];

pub(super) const NO_MAC_IN_UDEV: Rule = Rule {
    id: "no-mac-in-udev",
    group: Group::Network,
    stage: Stage::Static,
    severity: Severity::Error,
    sentence: "No udev rule names a network card by its MAC address, or writes such rules",
    reason: "Every instance has another MAC address, so its card gets another name, for which no configuration exists.",
    page: guide!("no-hard-coded-mac-address-information"),
    mend: "add the element `net-rules`",
};

pub(super) const NO_MAC_IN_CONFIG: Rule = Rule {
    id: "no-mac-in-config",
    group: Group::Network,
    stage: Stage::Static,
    severity: Severity::Error,
    sentence: "No network configuration names a MAC address",
    reason: "Every instance has another MAC address, so the configuration would not apply and the instance would have no network.",
    page: guide!("no-hard-coded-mac-address-information"),
    mend: "add the element `net-rules`",
};

pub(super) const NO_IFCFG_UUID: Rule = Rule {
    id: "no-ifcfg-uuid",
    group: Group::Network,
    stage: Stage::Static,
    severity: Severity::Warning,
    sentence: "No ifcfg file has a UUID",
    reason: "The installer made the UUID for one machine. All instances would have the same.",
    page: None,
    mend: "add the element `net-rules`",
};

pub(super) const NO_STATIC_ADDRESS: Rule = Rule {
    id: "no-static-address",
    group: Group::Network,
    stage: Stage::Static,
    severity: Severity::Warning,
    sentence: "The network configuration has no fixed address",
    reason: "A cloud gives each instance its own address and drops packets with any other.",
    page: guide!("no-hard-coded-mac-address-information"),
    mend: "add the element `dhcp-network`, and remove the address",
};

pub(super) const NO_FIREWALL: Rule = Rule {
    id: "no-firewall",
    group: Group::Network,
    stage: Stage::Static,
    severity: Severity::Warning,
    sentence: "No firewall starts at boot",
    reason: "The cloud's security groups are the firewall. With a second firewall in the instance, opening a port there has no effect.",
    page: guide!("disable-firewall"),
    mend: "add the element `no-firewall`",
};

pub(super) fn no_mac_in_udev(view: &View) -> Finding {
    let generator = "/75-persistent-net-generator.rules";
    // A file with the same name in /etc replaces the distribution's: udev(7).
    let replaced = view.tree.exists(&format!("/etc/udev/rules.d{generator}"));
    let named = lines_of(&view.tree, UDEV).filter(|(path, line)| {
        if path.ends_with(generator) { path.starts_with("/etc/") || !replaced } else { line.contains("ATTR{address}") }
    });
    NO_MAC_IN_UDEV.unless(named.map(|(path, line)| format!("{path}: {line}")))
}

pub(super) fn no_mac_in_config(view: &View) -> Finding {
    let keys: [(&[&str], &[&str]); 6] = [
        (CLOUD, &["macaddress", "mac_address"]),
        (IFCFG, &["HWADDR", "MACADDR", "LLADDR"]),
        (&[KEYFILES], &["mac-address", "cloned-mac-address"]),
        (&[NETPLAN], &["macaddress"]),
        (&[NETWORKD], &["MACAddress", "PermanentMACAddress"]),
        (INTERFACES, &["hwaddress"]),
    ];
    NO_MAC_IN_CONFIG.unless(keyed(view, &keys, |_| true))
}

pub(super) fn no_ifcfg_uuid(view: &View) -> Finding {
    NO_IFCFG_UUID.unless(keyed(view, &[(IFCFG, &["UUID"])], |_| true))
}

pub(super) fn no_static_address(view: &View) -> Finding {
    let keys: [(&[&str], &[&str]); 6] = [
        (CLOUD, &["addresses"]),
        (IFCFG, &["IPADDR", "IPADDR0", "IPADDR_0"]),
        (&[KEYFILES], &["address1", "addresses"]),
        (&[NETPLAN], &["addresses"]),
        (&[NETWORKD], &["Address"]),
        (INTERFACES, &["address"]),
    ];
    let loopback = |line: &str| line.contains("127.0.0.1") || line.contains("::1/128");
    NO_STATIC_ADDRESS.unless(keyed(view, &keys, |line| !loopback(line) && !line.contains("/ifcfg-lo:")))
}

/// Returns the lines of files that set one of the keys to a value, in any notation of such files.
pub(super) fn keyed(view: &View, keys: &[(&[&str], &[&str])], counts: impl Fn(&str) -> bool) -> Vec<String> {
    let mut found = Vec::new();
    for (patterns, keys) in keys {
        let lines = lines_of(&view.tree, patterns).filter(|(_, line)| {
            let line = line.trim_start_matches("- ");
            let end = line.find(['=', ':', ' ', '\t']).unwrap_or(line.len());
            let value = line[end..].trim_matches(['=', ':', ' ', '\t', '"', '\'']);
            // The following lines are a sequence of YAML.
            let set = !value.is_empty() || line.ends_with(':');
            keys.contains(&line[..end].trim()) && set && !["permanent", "preserve", "random", "stable"].contains(&value)
        });
        let lines = lines.map(|(path, line)| format!("{path}: {line}")).filter(|line| counts(line));
        found.extend(lines.take(KEYED_LIMIT));
    }
    found
}

pub(super) fn no_firewall(view: &View) -> Finding {
    let names = ["ufw", "firewalld", "nftables", "iptables", "ip6tables", "netfilter-persistent", "SuSEfirewall2"];
    let enabled = names.into_iter().filter(|name| {
        let starts = unit(&view.tree, &format!("{name}.service")) == Unit::Enabled;
        // Its unit starts on every Ubuntu, and does nothing without this setting.
        let idle = *name == "ufw"
            && !shell::value(&view.tree.text(UFW), "ENABLED").is_some_and(|it| it == "yes" || it == "YES");
        starts && !idle
    });
    NO_FIREWALL.unless(enabled.map(|name| format!("{name}.service starts at boot")))
}
