//! Carries out `service` in an image with OpenRC: `rc-update` adds services to a runlevel, and what runlevels hold is read back.

use super::error::ForAction as _;
use super::{ActionError, Executor};
use crate::action::Service;
use crate::inspect::units;

/// Where OpenRC finds services.
const SERVICES: &str = "/etc/init.d";

/// The runlevels, each a directory with a link for every service: rc-update(8).
const RUNLEVELS: &str = "/etc/runlevels";

/// Adds the service `$2` to the runlevel of a system that is up, unless another runlevel starts it already, or removes it from
/// all runlevels.
const CHANGE: &str = r#"case $1 in
    enable)
        for link in /etc/runlevels/*/"$2"; do
            [ ! -L "$link" ] || exit 0
        done
        rc-update add "$2" default
        ;;
    disable) rc-update --all delete "$2" || : ;;
esac"#;

impl Executor<'_> {
    pub(super) fn openrc(&mut self, service: &Service) -> Result<(), ActionError> {
        if let Some(name) = service.mask.first() {
            let message =
                "the image starts services by OpenRC, which has no masks: `disable` the service, or remove its package";
            return Err(unfit(&format!("service mask {name}"), message.to_owned()));
        }
        let changes = [("enable", &service.enable), ("disable", &service.disable)];
        for (verb, unit) in changes.iter().flat_map(|(verb, units)| units.iter().map(move |unit| (*verb, unit))) {
            let label = format!("service {verb} {unit}");
            let name = name_of(unit).map_err(|message| unfit(&label, message))?;
            if !self.exists(&label, &format!("{SERVICES}/{name}"))? {
                if service.if_present {
                    continue;
                }
                let message = format!("{SERVICES}/{name} is not there; with `if-present: true` that is passed over");
                return Err(unfit(&label, message));
            }
            self.shell(&label, CHANGE, &[verb.to_owned(), name.to_owned()], false)?;
            let links = self.guest.glob(&format!("{RUNLEVELS}/*/{name}")).for_action(&label)?;
            let message = match (verb, links.first()) {
                ("enable", None) => format!("`rc-update` ended with 0, and no runlevel starts {name}"),
                ("disable", Some(link)) => format!("{link} still starts {name}"),
                _ => continue,
            };
            return Err(ActionError::Undone { action: label, message, tail: Vec::new() });
        }
        Ok(())
    }
}

fn unfit(action: &str, message: String) -> ActionError {
    ActionError::Unfit { action: action.to_owned(), message }
}

/// Returns OpenRC's name of a service: recipes may write it as one of systemd.
fn name_of(unit: &str) -> Result<&str, String> {
    match unit.rsplit_once('.') {
        Some((name, "service")) if !name.contains('@') => Ok(name),
        Some((_, kind)) if units::TYPES.contains(&kind) => {
            Err(format!("the image starts services by OpenRC, which has nothing like {unit}"))
        }
        _ => Ok(unit),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn services_have_no_suffix() {
        for (unit, name) in [
            ("sshd", Ok("sshd")),
            ("sshd.service", Ok("sshd")),
            ("net.lo", Ok("net.lo")),
            ("fstrim.timer", Err("fstrim.timer")),
            ("serial-getty@ttyS0.service", Err("serial-getty@ttyS0.service")),
        ] {
            let found = name_of(unit);
            match name {
                Ok(name) => assert_eq!(found.as_deref(), Ok(name)),
                Err(part) => assert!(found.is_err_and(|message| message.contains(part)), "{unit}"),
            }
        }
    }
}
