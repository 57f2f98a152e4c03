//! Finds what starts at boot: units of systemd, scripts that systemd makes units for, and services of OpenRC.

use std::collections::{BTreeMap, BTreeSet};

use super::paths::file_name;
use super::units::{self, State, Units};
use super::{Service, ServiceScope, ServiceState, Tree};
use crate::guest::FileKind;

/// Where scripts are of which systemd makes units, and the one program that does it: systemd-sysv-generator(8).
const INIT_DIR: &str = "/etc/init.d";
const SYSV_GENERATOR: &str = "{/usr/lib,/lib}/systemd/system-generators/systemd-sysv-generator";

/// Units that the image starts, and those that it forbids or that cannot be started.
pub(super) fn services(tree: &Tree) -> Vec<Service> {
    let mut found = Vec::new();
    let first_boot = is_first_boot(tree);
    for (scope, whose) in [(ServiceScope::System, units::Scope::System), (ServiceScope::User, units::Scope::User)] {
        let units = Units::new(tree, whose);
        let mut names = BTreeMap::new();
        for unit in units.names() {
            // A template is enabled if its instance is, and only that one starts.
            if unit.contains("@.") {
                continue;
            }
            let wanted_by = units.wanted_by(unit);
            let by_preset = first_boot && scope == ServiceScope::System && units.preset(unit);
            if let Some(state) = state(units.state(unit), !wanted_by.is_empty(), by_preset) {
                names.insert(unit.to_owned(), (state, wanted_by));
            }
        }
        if scope == ServiceScope::System {
            for (script, targets) in scripts(tree) {
                let unit = format!("{script}.service");
                // A unit of that name, be it a mask, is in the script's place.
                if units.state(&unit) == State::NotFound {
                    names.insert(unit, (ServiceState::Enabled, targets));
                }
            }
            for (service, runlevels) in runlevels(tree) {
                names.entry(service.to_owned()).or_insert((ServiceState::Enabled, runlevels));
            }
        }
        found.extend(names.into_iter().map(|(unit, (state, wanted_by))| Service {
            unit,
            scope,
            state,
            wanted_by: wanted_by.into_iter().map(str::to_owned).collect(),
        }));
    }
    found
}

/// What is told of a unit; `None` if it is neither started by the image's own configuration nor out of order.
fn state(state: State, is_wanted: bool, by_preset: bool) -> Option<ServiceState> {
    match state {
        State::Enabled | State::EnabledRuntime => Some(ServiceState::Enabled),
        State::Masked | State::MaskedRuntime => Some(ServiceState::Masked),
        State::Bad => Some(ServiceState::Bad),
        State::NotFound if is_wanted => Some(ServiceState::NotFound),
        State::Disabled | State::Indirect if by_preset => Some(ServiceState::Preset),
        _ => None,
    }
}

/// Whether systemd takes the next boot for the first one, and enables what presets enable: machine-id(5).
fn is_first_boot(tree: &Tree) -> bool {
    tree.is_file("/usr/lib/systemd/systemd")
        && (!tree.exists("/etc/machine-id") || tree.text("/etc/machine-id").trim() == "uninitialized")
}

/// Scripts of System V that runlevels start, with the targets that stand for these.
fn scripts(tree: &Tree) -> BTreeMap<&str, BTreeSet<&str>> {
    let mut found = BTreeMap::<_, BTreeSet<_>>::new();
    if tree.glob(SYSV_GENERATOR).is_empty() {
        return found;
    }
    for (runlevels, target) in [("{2,3,4}", "multi-user.target"), ("5", "graphical.target")] {
        for link in tree.glob(&format!("/etc/{{,rc.d/}}rc{runlevels}.d/S[0-9][0-9]*")) {
            let Some(script) = tree.follow(&link).filter(|entry| is_script(entry)) else { continue };
            found.entry(file_name(&script.path)).or_default().insert(target);
        }
    }
    found
}

fn is_script(entry: &crate::guest::Entry) -> bool {
    let is_there = entry.path.starts_with(INIT_DIR) || entry.path.starts_with("/etc/rc.d/init.d");
    is_there && entry.kind == FileKind::File && entry.mode & 0o100 != 0
}

/// Services of OpenRC, as on Alpine, with their runlevels: rc-update(8).
fn runlevels(tree: &Tree) -> BTreeMap<&str, BTreeSet<&str>> {
    let mut found = BTreeMap::<_, BTreeSet<_>>::new();
    for level in tree.children("/etc/runlevels") {
        for service in tree.children(&level.path) {
            found.entry(file_name(&service.path)).or_default().insert(file_name(&level.path));
        }
    }
    found
}

#[cfg(test)]
mod tests {
    use super::super::tree::tests::tree;
    use super::*;

    /// Each link was compared with all before it: an image with so many took minutes.
    #[test]
    fn a_unit_that_very_many_want_takes_no_time() {
        let wanted = (0..20_000).map(|n| format!("/etc/systemd/system/{n:06}.target.wants/a.service"));
        let units = (0..20_000).map(|n| format!("/usr/lib/systemd/system/{n:06}.service"));
        let files: Vec<_> =
            wanted.map(|path| (path, "-> ../a.service")).chain(units.map(|path| (path, "[Unit]\n"))).collect();
        let files: Vec<_> = files.iter().map(|(path, content)| (path.as_str(), *content)).collect();
        let tree = tree(&files);
        let begun = std::time::Instant::now();
        assert_eq!(services(&tree)[0].wanted_by.len(), 20_000);
        assert!(begun.elapsed() < std::time::Duration::from_secs(20), "{:?}", begun.elapsed());
    }

    /// The states themselves are compared with those of systemd elsewhere.
    #[test]
    fn units_are_told_that_start_and_those_that_cannot() {
        let install = "[Install]\nWantedBy=multi-user.target\n";
        let found = services(&tree(&[
            ("/usr/lib/systemd/systemd", "program"),
            ("/usr/lib/systemd/system-generators/systemd-sysv-generator", "program"),
            ("/lib", "-> usr/lib"),
            ("/usr/lib/systemd/system/ssh.service", install),
            ("/usr/lib/systemd/system/off.service", install),
            ("/usr/lib/systemd/system/preset.service", install),
            ("/usr/lib/systemd/system-preset/90.preset", "disable off.service\n"),
            ("/usr/lib/systemd/system/static.service", "[Service]\n"),
            ("/usr/lib/systemd/system/sysinit.target.wants/static.service", "-> ../static.service"),
            ("/etc/systemd/system/multi-user.target.wants/ssh.service", "-> /lib/systemd/system/ssh.service"),
            ("/etc/systemd/system/sshd.service.requires/ssh.service", "-> /lib/systemd/system/ssh.service"),
            ("/etc/systemd/system/multi-user.target.wants/gone.service", "-> /lib/systemd/system/gone.service"),
            ("/etc/systemd/system/dangling.service", "-> /lib/systemd/system/none.service"),
            ("/etc/systemd/system/apt-daily.timer", "-> /dev/null"),
            ("/etc/systemd/system/multi-user.target.wants/apt-daily.timer", "-> /lib/systemd/system/apt-daily.timer"),
            ("/etc/systemd/system/empty.service", ""),
            ("/usr/lib/systemd/user/bus.socket", "[Install]\nWantedBy=sockets.target\n"),
            ("/etc/systemd/user/sockets.target.wants/bus.socket", "-> /usr/lib/systemd/user/bus.socket"),
            ("755 /etc/init.d/old", "#!/bin/sh\n"),
            ("755 /etc/init.d/ssh", "#!/bin/sh\n"),
            ("/etc/rc3.d/S01old", "-> ../init.d/old"),
            ("/etc/rc5.d/S01old", "-> ../init.d/old"),
            ("/etc/rc3.d/S01ssh", "-> ../init.d/ssh"),
            ("/etc/rc3.d/K01off", "-> ../init.d/old"),
            ("/etc/runlevels/default/crond", "-> /etc/init.d/crond"),
        ]));
        let told: Vec<_> =
            found.iter().map(|s| format!("{:?} {} {:?} {}", s.scope, s.unit, s.state, s.wanted_by.join("+"))).collect();
        assert_eq!(
            told,
            [
                "System apt-daily.timer Masked multi-user.target",
                "System crond Enabled default",
                "System dangling.service Bad ",
                "System empty.service Masked ",
                "System gone.service NotFound multi-user.target",
                "System old.service Enabled graphical.target+multi-user.target",
                "System preset.service Preset ",
                "System ssh.service Enabled multi-user.target+sshd.service",
                "User bus.socket Enabled sockets.target",
            ]
        );
    }
}
