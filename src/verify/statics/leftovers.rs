//! Rules about leftovers of a build: logs, caches, leases and settings of the machine that made the image.

use std::collections::BTreeSet;

use super::hygiene::{SYSPREP, filled, rule};
use super::texts::lines_of;
use super::view::{Judged, View};
use crate::guest::{Entry, FileKind};
use crate::verify::{Finding, Rule, Severity};

/// The rules of this file, each with its judge, in the order of reports.
pub(super) const RULES: Judged = &[
    (&NO_LOGS, no_logs),
    (&NO_PACKAGE_CACHES, no_package_caches),
    (&NO_HISTORIES, no_histories),
    (&NO_LEASES, no_leases),
    (&NO_RESOLVER, no_resolver),
    (&NO_LEFTOVERS, no_leftovers),
    (&TEMPORARY_FILES, temporary_files),
];

pub(super) const WANTED: &[&str] = &["/etc/resolv.conf", PROXIES[0], PROXIES[1], PROXIES[2], PROXIES[3]];

/// Files in which a build may set its proxy.
const PROXIES: &[&str] = &[
    "/etc/environment",
    "/etc/profile.d/*.sh",
    "/etc/apt/apt.conf.d/*",
    "/etc/{dnf/dnf.conf,yum.conf,wgetrc,sysconfig/proxy}",
];

pub(super) const NO_LOGS: Rule =
    rule("no-logs", Severity::Warning, ["The image has no logs", "The logs are those of the build.", SYSPREP]);

pub(super) const NO_PACKAGE_CACHES: Rule = rule(
    "no-package-caches",
    Severity::Warning,
    ["The image has no downloaded packages and package lists", "They take space and soon get old.", SYSPREP],
);

pub(super) const NO_HISTORIES: Rule = rule(
    "no-histories",
    Severity::Warning,
    ["The image has no histories of shells and editors", "Histories can contain passwords.", SYSPREP],
);

pub(super) const NO_LEASES: Rule = rule(
    "no-leases",
    Severity::Warning,
    ["The image has no DHCP leases", "With an old lease an instance asks for the address of another machine.", SYSPREP],
);

pub(super) const NO_RESOLVER: Rule = rule(
    "no-resolver",
    Severity::Warning,
    [
        "/etc/resolv.conf names no name server",
        "The name server would be that of the build's network.",
        "add the element `sysprep`, or `dhcp-network`, which links it to the name servers from DHCP",
    ],
);

pub(super) const NO_LEFTOVERS: Rule = rule(
    "no-leftovers",
    Severity::Warning,
    [
        "The image has no policy-rc.d and no proxy settings of the build",
        "A policy-rc.d keeps services of new packages from starting, and instances cannot reach the build's proxy.",
        "remove them in the phase `clean`",
    ],
);

pub(super) const TEMPORARY_FILES: Rule = rule(
    "no-temporary-files",
    Severity::Warning,
    ["/tmp and /var/tmp are empty", "Files there are leftovers of the build.", SYSPREP],
);

/// Returns the files of a directory that are not empty.
fn filled_below<'a>(view: &'a View, directory: &str) -> impl Iterator<Item = &'a Entry> {
    view.tree.below(directory).iter().filter(|entry| entry.kind == FileKind::File && entry.size > 0)
}

pub(super) fn no_logs(view: &View) -> Finding {
    let documents = |entry: &&Entry| !entry.path.ends_with("/README") && !entry.path.ends_with(".gitkeep");
    NO_LOGS.unless(filled_below(view, "/var/log").filter(documents).map(|entry| &entry.path))
}

pub(super) fn no_package_caches(view: &View) -> Finding {
    let places = [
        "/var/lib/apt/lists",
        "/var/cache/apt",
        "/var/cache/dnf",
        "/var/cache/libdnf5",
        "/var/cache/yum",
        "/var/cache/zypp",
        "/var/cache/PackageKit",
        "/var/cache/apk",
        "/var/cache/pacman",
        "/var/lib/pacman/sync",
    ];
    let told = places.into_iter().filter_map(|place| {
        let bytes: u64 = filled_below(view, place).map(|entry| entry.size).sum();
        (bytes > 0).then(|| format!("{place}: {}", crate::units::ByteSize::bytes(bytes)))
    });
    NO_PACKAGE_CACHES.unless(told)
}

pub(super) fn no_histories(view: &View) -> Finding {
    let names = "{.bash_history,.zsh_history,.ash_history,.sh_history,.python_history,.lesshst,.viminfo,.wget-hsts,.mysql_history}";
    NO_HISTORIES.unless(filled(view, &[&format!("/root/{names}"), &format!("/home/*/{names}")]))
}

pub(super) fn no_leases(view: &View) -> Finding {
    NO_LEASES.unless(filled(
        view,
        &[
            "/var/lib/{dhcp,dhclient,dhcpcd}/*lease*",
            "/var/lib/dhcpcd*/*",
            "/var/lib/NetworkManager/*lease*",
            "/var/lib/wicked/lease*",
            "/var/lib/systemd/network/*lease*",
        ],
    ))
}

pub(super) fn no_resolver(view: &View) -> Finding {
    const PATH: &str = "/etc/resolv.conf";
    if let Some(target) = view.tree.link(PATH) {
        return NO_RESOLVER.passed([format!("a link to {target}")]);
    }
    let servers = lines_of(&view.tree, &[PATH]).filter(|(_, line)| line.starts_with("nameserver"));
    NO_RESOLVER.unless(servers.map(|(path, line)| format!("{path}: {line}")))
}

pub(super) fn no_leftovers(view: &View) -> Finding {
    let patterns = [
        "/.dockerenv",
        "/root/.ansible",
        "/usr/sbin/policy-rc.d",
        "/sbin/start-stop-daemon.{REAL,real,orig}",
        "/etc/resolv.conf.{goldsmith,orig,bak}",
        "/etc/apt/apt.conf.d/*{proxy,mmdebstrap}*",
        "/etc/apt/apt.conf",
        "/etc/**/*.dpkg-{new,tmp}",
        "/root/anaconda-ks.cfg",
        "/root/{install,original-ks}*.{log,cfg}",
    ];
    let named: Vec<_> = patterns.iter().flat_map(|pattern| view.tree.glob(pattern)).collect();
    let known: BTreeSet<_> = named.iter().collect();
    let proxies = lines_of(&view.tree, PROXIES).filter(|(path, line)| {
        let line = line.trim_start_matches("export ");
        let (key, value) = line.split_at(line.find(['=', ' ', '"']).unwrap_or(line.len()));
        let key = key.to_ascii_lowercase();
        let proxy = ["http_proxy", "https_proxy", "ftp_proxy", "proxy"].contains(&key.as_str())
            || key.starts_with("acquire::http") && key.ends_with("::proxy");
        proxy && !value.trim_matches(['=', ' ', '"', '\'', ';']).is_empty() && !known.contains(path)
    });
    let proxies = proxies.map(|(path, line)| format!("{path}: {line}")).collect::<Vec<_>>();
    NO_LEFTOVERS.unless(named.into_iter().chain(proxies))
}

pub(super) fn temporary_files(view: &View) -> Finding {
    let found = ["/tmp", "/var/tmp"].into_iter().flat_map(|directory| view.tree.children(directory));
    TEMPORARY_FILES.unless(found.map(|entry| &entry.path))
}
