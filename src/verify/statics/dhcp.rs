//! The rule that network cards get their addresses by DHCP.

use std::collections::BTreeMap;

use super::netplan;
use super::network::{IFCFG, INTERFACES, KEYFILES};
use super::texts::{cloud_setting, lines_of};
use super::unit::{Unit, unit as state_of};
use super::view::{Judged, View};
use crate::inspect::Tree;
use crate::text::unit::{self, is_true};
use crate::verify::{Finding, Group, Rule, Severity, Stage};

/// The rules of this file, each with its judge, in the order of reports.
pub(super) const RULES: Judged = &[(&DHCP, dhcp)];

const NETWORKD: &[&str] = &["/{etc,usr/lib,lib}/systemd/network/*.network", "/etc/systemd/network/*.network.d/*.conf"];
const MANAGER: &[&str] = &["/etc/NetworkManager/NetworkManager.conf", "/{etc,usr/lib}/NetworkManager/conf.d/*.conf"];

pub(super) const WANTED: &[&str] =
    &[NETWORKD[0], NETWORKD[1], MANAGER[0], MANAGER[1], netplan::FILES[0], netplan::FILES[1]];

pub(super) const DHCP: Rule = Rule {
    id: "dhcp",
    group: Group::Network,
    stage: Stage::Static,
    severity: Severity::Error,
    sentence: "Network cards get their addresses by DHCP or from cloud-init",
    reason: "The cloud chooses the address when it creates the instance. Without the address the instance has no network and \
             cannot reach the metadata service.",
    page: None,
    mend: "add the element `dhcp-network`",
};

/// A program that configures network cards.
struct Renderer {
    name: &'static str,
    /// Returns whether the program starts at boot.
    starts: fn(&View) -> bool,
    /// Returns the line that makes it use DHCP.
    asks: fn(&View) -> Option<String>,
}

fn enabled(view: &View, name: &str) -> bool {
    state_of(&view.tree, name) == Unit::Enabled
}

/// Returns the first line of the files that matches.
fn line(view: &View, patterns: &[&str], is: impl Fn(&str) -> bool) -> Option<String> {
    let found = lines_of(&view.tree, patterns).find(|(_, line)| is(line));
    found.map(|(path, line)| format!("{path}: {line}"))
}

/// Returns the value of a line such as `DHCP=yes` or `dhcp4: true`, without quotes.
fn value<'a>(line: &'a str, key: &str) -> Option<&'a str> {
    let rest = line.strip_prefix(key)?.trim_start();
    Some(rest.strip_prefix(['=', ':'])?.trim().trim_matches(['"', '\'']))
}

const RENDERERS: &[Renderer] = &[
    Renderer {
        name: "systemd-networkd",
        starts: |view| enabled(view, "systemd-networkd.service"),
        // systemd's own files are for containers, virtual links and radio: systemd.network(5).
        asks: |view| {
            let own =
                |path: &String| !["/80-container-", "/80-vm-", "/80-wifi-"].iter().any(|name| path.contains(name));
            networks(&view.tree).into_iter().filter(own).find_map(|path| {
                let value = network_dhcp(&view.tree, &path)?;
                (is_true(&value) || value == "ipv4").then(|| format!("{path}: DHCP={value}"))
            })
        },
    },
    Renderer {
        name: "NetworkManager",
        starts: |view| enabled(view, "NetworkManager.service"),
        // A card without a profile gets one with DHCP: NetworkManager.conf(5), `no-auto-default`.
        asks: |view| {
            let profile = view.tree.glob(KEYFILES).into_iter().find_map(|path| {
                let settings = unit::settings(&view.tree.text(&path)).into_iter();
                let mut settings = settings.filter(|it| it.section == "ipv4" && it.key == "method");
                settings.any(|it| it.value == "auto").then(|| format!("{path}: method=auto"))
            });
            let forbidden = line(view, MANAGER, |line| value(line, "no-auto-default") == Some("*"));
            let implied = || forbidden.is_none().then(|| "NetworkManager, for cards without a profile".to_owned());
            profile.or_else(|| line(view, IFCFG, by_dhcp)).or_else(implied)
        },
    },
    Renderer {
        name: "netplan",
        // Its generator makes the units for its configuration at every boot: netplan(5).
        starts: |view| !view.tree.glob("/{usr/lib,lib,etc}/systemd/system-generators/netplan").is_empty(),
        asks: |view| netplan::dhcp(&view.tree),
    },
    Renderer {
        name: "ifupdown",
        starts: |view| enabled(view, "networking.service"),
        asks: |view| line(view, INTERFACES, |line| line.contains(" inet dhcp")),
    },
    Renderer {
        name: "the network service",
        starts: |view| {
            let script = || !view.tree.glob("/etc/{rc.d/,}rc3.d/S*network").is_empty();
            enabled(view, "network.service") || enabled(view, "wicked.service") || script()
        },
        asks: |view| line(view, IFCFG, by_dhcp),
    },
    Renderer {
        name: "dhcpcd",
        starts: |view| enabled(view, "dhcpcd.service"),
        asks: |_| Some("dhcpcd, for all cards".to_owned()),
    },
];

/// The files for cards that networkd reads. One of the same name in a directory that comes before takes the place of
/// another: systemd.network(5).
fn networks(tree: &Tree) -> Vec<String> {
    let paths = ["/etc", "/usr/lib", "/lib"].map(|dir| tree.glob(&format!("{dir}/systemd/network/*.network")));
    let mut files = BTreeMap::new();
    for path in paths.into_iter().flatten() {
        let name = path.rsplit('/').next().unwrap_or_default().to_owned();
        files.entry(name).or_insert(path);
    }
    files.into_values().collect()
}

/// What such a file and the ones that add to it come to.
fn network_dhcp(tree: &Tree, path: &str) -> Option<String> {
    let name = path.rsplit('/').next().unwrap_or_default();
    let mut files = vec![path.to_owned()];
    files.extend(tree.glob(&format!("/etc/systemd/network/{name}.d/*.conf")));
    let mut settings = files.iter().flat_map(|path| unit::settings(&tree.text(path)));
    settings.rfind(|it| it.section == "Network" && it.key == "DHCP").map(|it| it.value)
}

fn by_dhcp(line: &str) -> bool {
    value(line, "BOOTPROTO").is_some_and(|it| it.to_ascii_lowercase().starts_with("dhcp"))
}

pub(super) fn dhcp(view: &View) -> Finding {
    let running: Vec<_> = RENDERERS.iter().filter(|it| (it.starts)(view)).collect();
    if running.is_empty() {
        let names: Vec<_> = RENDERERS.iter().map(|it| it.name).collect();
        return DHCP.failed([format!("nothing that configures cards starts at boot: none of {}", names.join(", "))]);
    }
    if let Some(found) = running.iter().find_map(|it| (it.asks)(view)) {
        return DHCP.passed([found]);
    }
    // cloud-init writes a configuration with DHCP for the first card if the cloud states nothing else: its documentation,
    // "Network configuration", "Fallback network configuration".
    let cloud_init = view.system.cloud_init.as_ref().is_some_and(|it| it.enabled);
    let off = cloud_setting(&view.tree, Some("network"), "config").filter(|(.., value)| value == "disabled");
    let off = off.map(|(path, line, _)| format!("{path}: {line}"));
    if cloud_init && off.is_none() {
        return DHCP.passed(running.iter().map(|it| format!("{}, told by cloud-init", it.name)));
    }
    let idle = running.iter().map(|it| format!("{} starts at boot, and nothing has it use DHCP", it.name));
    DHCP.failed(idle.chain(off.filter(|_| cloud_init)))
}
