//! What is started at boot, by the links that systemctl(1) and rc-update(8) make.

use std::collections::{BTreeMap, BTreeSet};

use super::paths::file_name;
use super::{Service, ServiceState, Tree};

/// Where the image's own configuration of systemd is: systemd.unit(5).
const UNITS: &str = "/etc/systemd/system";

/// Units that the image starts, and those that it forbids.
pub(super) fn services(tree: &Tree) -> Vec<Service> {
    let mut enabled = Vec::new();
    for kind in ["wants", "requires"] {
        enabled.extend(tree.glob(&format!("{UNITS}/*.{kind}/*")));
    }
    // OpenRC, as on Alpine.
    enabled.extend(tree.glob("/etc/runlevels/*/*"));
    let mut masked = tree.glob(&format!("{UNITS}/*.*"));
    masked.retain(|path| tree.link(path) == Some("/dev/null"));
    listed(&enabled, &masked)
}

/// Puts paths of links together: a unit may be wanted several times, and none of it counts if it is masked.
fn listed(enabled: &[String], masked: &[String]) -> Vec<Service> {
    let mut units: BTreeMap<&str, Service> = BTreeMap::new();
    let mut seen = BTreeSet::new();
    for path in masked {
        let unit = file_name(path);
        let service = Service { unit: unit.to_owned(), state: ServiceState::Masked, wanted_by: Vec::new() };
        units.insert(unit, service);
    }
    for path in enabled {
        let mut parts = path.rsplit('/');
        let (Some(unit), Some(directory)) = (parts.next(), parts.next()) else { continue };
        let wants = directory.strip_suffix(".wants").or(directory.strip_suffix(".requires")).unwrap_or(directory);
        let service = units.entry(unit).or_insert_with(|| Service {
            unit: unit.to_owned(),
            state: ServiceState::Enabled,
            wanted_by: Vec::new(),
        });
        if service.state == ServiceState::Enabled && seen.insert((unit, wants)) {
            service.wanted_by.push(wants.to_owned());
        }
    }
    units.into_values().collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Each link was compared with all before it: an image with so many took minutes.
    #[test]
    fn a_unit_that_very_many_want_takes_no_time() {
        let enabled: Vec<_> =
            (0..60_000).map(|n| format!("/etc/systemd/system/{n:06}.target.wants/a.service")).collect();
        let begun = std::time::Instant::now();
        assert_eq!(listed(&enabled, &[])[0].wanted_by.len(), enabled.len());
        assert!(begun.elapsed() < std::time::Duration::from_secs(5), "{:?}", begun.elapsed());
    }

    #[test]
    fn links_become_units() {
        let enabled = [
            "/etc/systemd/system/cloud-init.target.wants/cloud-init.service",
            "/etc/systemd/system/multi-user.target.wants/ssh.service",
            "/etc/systemd/system/sshd.service.requires/ssh.service",
            "/etc/systemd/system/multi-user.target.wants/apt-daily.timer",
            "/etc/runlevels/default/crond",
        ];
        let masked = ["/etc/systemd/system/apt-daily.timer".to_owned()];
        let found = listed(&enabled.map(str::to_owned), &masked);
        let told: Vec<_> =
            found.iter().map(|s| format!("{} {:?} {}", s.unit, s.state, s.wanted_by.join("+"))).collect();
        assert_eq!(
            told,
            [
                "apt-daily.timer Masked ",
                "cloud-init.service Enabled cloud-init.target",
                "crond Enabled default",
                "ssh.service Enabled multi-user.target+sshd.service",
            ]
        );
    }
}
