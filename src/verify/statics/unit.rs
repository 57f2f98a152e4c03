//! Finds out whether a unit of systemd starts at boot, by the files of an image.

use crate::inspect::Tree;

/// A unit of systemd as the image configures it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Unit {
    /// The unit starts at boot.
    Enabled,
    /// The unit exists and does not start at boot.
    Off,
    /// The unit cannot start.
    Masked,
    /// There is no such unit.
    Absent,
}

/// The directories of units: systemd.unit(5).
const UNITS: [&str; 3] = ["/etc/systemd/system", "/usr/lib/systemd/system", "/lib/systemd/system"];

pub(super) fn unit(tree: &Tree, name: &str) -> Unit {
    if UNITS.iter().any(|directory| tree.link(&format!("{directory}/{name}")) == Some("/dev/null")) {
        return Unit::Masked;
    }
    let wanted = |directory: &&str| {
        let links = ["wants", "requires"].map(|kind| tree.glob(&format!("{directory}/*.{kind}/{name}")));
        links.iter().any(|links| !links.is_empty())
    };
    let runlevel = || !tree.glob(&format!("/etc/runlevels/*/{}", name.trim_end_matches(".service"))).is_empty();
    if UNITS.iter().any(wanted) || runlevel() {
        return Unit::Enabled;
    }
    // `serial-getty@ttyS0.service` is an instance of `serial-getty@.service`.
    let template = name.split_once('@').and_then(|(stem, rest)| Some(format!("{stem}@.{}", rest.rsplit('.').next()?)));
    let there = |name: &str| UNITS.iter().any(|directory| tree.exists(&format!("{directory}/{name}")));
    if there(name) || template.is_some_and(|template| there(&template)) { Unit::Off } else { Unit::Absent }
}
