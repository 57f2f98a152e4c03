//! Carries out `service`: `systemctl` changes units, and this module checks their states afterwards.
//!
//! A link in a `.wants` directory is not the state of a unit: a mask outweighs it, and packages bring links of their own. So
//! `systemctl` makes the change and then tells the state, which this module judges.

use super::error::ForAction as _;
use super::{ActionError, Executor};
use crate::action::Service;
use crate::distro::mechanism::Init;
use crate::guest::FileKind;
use crate::inspect::units;

/// Where scripts are of which systemd makes units.
const INIT_DIRS: [&str; 2] = ["/etc/init.d", "/etc/rc.d/init.d"];

/// What the script leaves of the units' states, on a tmpfs.
const STATES: &str = "/run/goldsmith-units";

/// Changes units and notes their states in the file `$1`, each in a line. `is-enabled` ends with 1 for a unit that is not
/// enabled, and `enable` and `disable` end with 0 for much that they pass over.
const CHANGE: &str = r#"command -v systemctl >/dev/null || {
    echo "the image has no program systemctl: install the package systemd" >&2
    exit 99
}
states=$1 verb=$2
shift 2
status=0
systemctl --no-reload "$verb" "$@" || status=$?
for unit; do
    state=$(systemctl is-enabled "$unit" 2>/dev/null) || :
    printf '%s\n' "$unit ${state:-not-found}"
done >"$states"
exit $status"#;

/// What is done to a unit.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Verb {
    Enable,
    Disable,
}

impl Executor<'_> {
    pub(super) fn service(&mut self, service: &Service) -> Result<(), ActionError> {
        contradiction(service)?;
        if self.mechanisms.init == Init::OpenRc {
            return self.openrc(service);
        }
        for (verb, units) in [(Verb::Enable, &service.enable), (Verb::Disable, &service.disable)] {
            let word = if verb == Verb::Enable { "enable" } else { "disable" };
            let label = format!("service {word} {}", units.join(" "));
            let mut wanted = Vec::new();
            for unit in units {
                let unit = full_name(unit);
                if service.if_present && !self.has_unit(&label, &unit)? {
                    continue;
                }
                self.is_no_alias(&label, &unit, units::image_dirs())?;
                wanted.push(unit);
            }
            if !wanted.is_empty() {
                self.change(&label, verb, word, &wanted, &service.mask)?;
            }
        }
        for unit in &service.mask {
            let unit = full_name(unit);
            let label = format!("service mask {unit}");
            if service.if_present && !self.has_unit(&label, &unit)? {
                continue;
            }
            let path = self.place(&label, &format!("/etc/systemd/system/{unit}"))?;
            if self.guest.kind(&path).for_action(&label)? == Some(FileKind::File) {
                let message = format!("{path} is a unit of its own and would be lost: remove it instead");
                return Err(ActionError::Unfit { action: label, message });
            }
            // Names that packages bring may be masked on their own, as ctrl-alt-del.target often is; one that `enable`
            // has made is no more than a name.
            self.is_no_alias(&label, &unit, units::image_dirs().take(1))?;
            // What `systemctl mask` does: systemctl(1).
            self.guest.symlink("/dev/null", &path).for_action(&label)?;
        }
        Ok(())
    }

    /// Enables or disables units and fails where systemd does not say afterwards that they are.
    fn change(
        &mut self,
        label: &str,
        verb: Verb,
        word: &str,
        units: &[String],
        to_mask: &[String],
    ) -> Result<(), ActionError> {
        let args: Vec<_> = [STATES, word].into_iter().map(str::to_owned).chain(units.iter().cloned()).collect();
        let result = self.shell(label, CHANGE, &args, false).map_err(ActionError::explained);
        if result.as_ref().is_err_and(|error| error.guest().is_some() || matches!(error, ActionError::Undone { .. })) {
            return result;
        }
        let states = self.text(label, STATES)?;
        self.guest.remove(STATES).for_action(label)?;
        let mut faults = Vec::new();
        for unit in units {
            let state = states.lines().find_map(|line| line.strip_prefix(unit.as_str())?.strip_prefix(' '));
            let state = state.unwrap_or("unknown");
            let links = self.links_to(label, unit)?;
            let masked_next = to_mask.iter().any(|other| full_name(other) == *unit);
            if let Some(found) = fault(verb, state, &links).filter(|_| verb == Verb::Enable || !masked_next) {
                faults.push((unit, state, found));
            }
        }
        // If systemctl refuses one unit, it leaves the others as they were.
        if let Some((unit, state, found)) = faults.into_iter().min_by_key(|(_, state, _)| *state == "disabled") {
            let mut message = format!("{unit} {found}");
            if let ("masked", Some(path)) = (state, self.mask_of(label, unit)?) {
                message = format!("{message} (`remove: [{path}]` unmasks it)");
            }
            let tail = result.as_ref().err().map_or_else(Vec::new, |error| error.tail().to_vec());
            return Err(ActionError::Undone { action: label.to_owned(), message, tail });
        }
        result
    }

    /// Links by which other units start this one: systemd.unit(5) on `.wants` and `.requires`.
    fn links_to(&mut self, label: &str, unit: &str) -> Result<Vec<String>, ActionError> {
        let mut links = Vec::new();
        for dir in units::image_dirs() {
            for kind in ["wants", "requires"] {
                links.extend(self.guest.glob(&format!("{dir}/*.{kind}/{unit}")).for_action(label)?);
            }
        }
        Ok(links)
    }

    /// The file that masks a unit, if it is one of the image's own configuration.
    fn mask_of(&mut self, label: &str, unit: &str) -> Result<Option<String>, ActionError> {
        let path = format!("/etc/systemd/system/{unit}");
        Ok(self.exists(label, &path)?.then_some(path))
    }

    /// Fails where a name is only another name of a unit: what is done to it is not done to the unit.
    fn is_no_alias(
        &mut self,
        label: &str,
        unit: &str,
        dirs: impl Iterator<Item = &'static str>,
    ) -> Result<(), ActionError> {
        for dir in dirs {
            let path = format!("{dir}/{unit}");
            let Some(target) = self.guest.read_link(&path).for_action(label)? else { continue };
            let name = target.rsplit('/').next().unwrap_or_default();
            if target != "/dev/null" && name != unit {
                let message = format!("{unit} is another name of {name}, by the link {path}: say {name}");
                return Err(ActionError::Unfit { action: label.to_owned(), message });
            }
        }
        Ok(())
    }

    /// Whether a unit is installed. A mask alone is no unit.
    fn has_unit(&mut self, label: &str, unit: &str) -> Result<bool, ActionError> {
        let file = units::template_of(unit).unwrap_or_else(|| unit.to_owned());
        for dir in units::image_dirs() {
            let path = format!("{dir}/{file}");
            if self.exists(label, &path)?
                && self.guest.read_link(&path).for_action(label)?.as_deref() != Some("/dev/null")
            {
                return Ok(true);
            }
        }
        // Units that systemd makes of init scripts.
        let Some(script) = file.strip_suffix(".service") else { return Ok(false) };
        for dir in INIT_DIRS {
            if self.exists(label, &format!("{dir}/{script}"))? {
                return Ok(true);
            }
        }
        Ok(false)
    }
}

/// Fails where one action asks for two things of a unit that cannot both be.
fn contradiction(service: &Service) -> Result<(), ActionError> {
    let names = |units: &[String]| units.iter().map(|unit| full_name(unit)).collect::<Vec<_>>();
    let others = [("disable", names(&service.disable)), ("mask", names(&service.mask))];
    for unit in names(&service.enable) {
        if let Some((verb, _)) = others.iter().find(|(_, units)| units.contains(&unit)) {
            let message = format!("`{verb}` of the same action says the opposite");
            return Err(ActionError::Unfit { action: format!("service enable {unit}"), message });
        }
    }
    Ok(())
}

/// What is wrong with a unit in a state of `systemctl is-enabled`, which other units start by these links.
fn fault(verb: Verb, state: &str, links: &[String]) -> Option<String> {
    let masked = state.starts_with("masked");
    let said = match (verb, state, links.first()) {
        (_, "not-found", _) => "is not installed; with `if-present: true` that is passed over".to_owned(),
        (_, "unknown", _) => "has no state that `systemctl` tells".to_owned(),
        (Verb::Enable, "enabled" | "alias" | "indirect" | "generated", _) => return None,
        (Verb::Enable, "static", Some(_)) => return None,
        (Verb::Enable, "static", None) => {
            "has no [Install] section, and no unit wants it: nothing starts it at boot; add a drop-in with `WantedBy=`"
                .to_owned()
        }
        (Verb::Enable, _, _) if masked => "is masked, and enabling does not unmask it".to_owned(),
        (Verb::Enable, _, _) => format!("is `{state}` afterwards, not `enabled`"),
        (Verb::Disable, _, _) if masked => return None,
        (Verb::Disable, "enabled" | "enabled-runtime", _) => format!("is still `{state}` afterwards"),
        (Verb::Disable, _, Some(link)) => format!("is started by {link}, which is not `disable`'s to remove: mask it"),
        (Verb::Disable, _, None) => return None,
    };
    Some(said)
}

/// A unit's name with its suffix.
fn full_name(unit: &str) -> String {
    let has_type = unit.rsplit_once('.').is_some_and(|(_, end)| units::TYPES.contains(&end));
    if has_type { unit.to_owned() } else { format!("{unit}.service") }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn units_have_a_suffix() {
        for (given, full) in [
            ("ssh", "ssh.service"),
            ("ssh.socket", "ssh.socket"),
            ("serial-getty@ttyS0.service", "serial-getty@ttyS0.service"),
            ("getty@tty1", "getty@tty1.service"),
            ("mnt.automount", "mnt.automount"),
        ] {
            assert_eq!(full_name(given), full);
        }
    }

    #[test]
    fn states_are_judged_by_what_was_asked_for() {
        let link = ["/usr/lib/systemd/system/multi-user.target.wants/a.service".to_owned()];
        for (state, links, enabled, disabled) in [
            ("enabled", &[][..], true, false),
            ("enabled-runtime", &[], false, false),
            ("alias", &[], true, true),
            ("indirect", &[], true, true),
            ("static", &[], false, true),
            ("static", &link, true, false),
            ("disabled", &[], false, true),
            ("disabled", &link, false, false),
            ("masked", &link, false, true),
            ("masked-runtime", &[], false, true),
            ("linked", &[], false, true),
            ("bad", &[], false, true),
            ("not-found", &[], false, false),
            ("unknown", &[], false, false),
        ] {
            assert_eq!(fault(Verb::Enable, state, links).is_none(), enabled, "enable {state} {links:?}");
            assert_eq!(fault(Verb::Disable, state, links).is_none(), disabled, "disable {state} {links:?}");
        }
    }
}
