//! Carries out actions on accounts and settings of the system: `user`, `hostname` and `timezone`.

use super::error::ForAction as _;
use super::{ActionError, Executor};
use crate::action::User;
use crate::distro::mechanism::TimeZone;
use crate::guest::FileKind;

impl Executor<'_> {
    pub(super) fn user(&mut self, user: &User) -> Result<(), ActionError> {
        let label = format!("user {}", user.name);
        let accounts = self.text(&label, "/etc/passwd")?;
        let exists = accounts.lines().any(|line| line.split(':').next() == Some(user.name.as_str()));
        // An account that exists keeps what the recipe does not speak of.
        let default_shell = if user.system { "/usr/sbin/nologin" } else { "/bin/bash" };
        let shell = user.shell.as_deref().or((!exists).then_some(default_shell));
        let mut args =
            vec![user.name.clone(), user.groups.join(" "), if exists { "usermod" } else { "useradd" }.to_owned()];
        args.extend(shell.into_iter().flat_map(|shell| ["--shell".to_owned(), shell.to_owned()]));
        args.extend(user.uid.into_iter().flat_map(|uid| ["--uid".to_owned(), uid.to_string()]));
        if !exists {
            args.push(if user.system { "--system" } else { "--create-home" }.to_owned());
        }
        let lines = r#"name=$1 groups=$2 program=$3
shift 3
for group in $groups; do
    getent group "$group" >/dev/null || groupadd --system "$group"
done
if [ "$program" = useradd ] && getent group "$name" >/dev/null; then
    set -- "$@" --gid "$name"
fi
[ "$program $#" = "usermod 0" ] || "$program" "$@" "$name"
[ -z "$groups" ] || usermod --append --groups "$(echo "$groups" | tr ' ' ,)" "$name"
passwd --lock "$name" >/dev/null"#;
        self.shell(&label, lines, &args, false)?;
        if user.sudo {
            // sudo passes over files with a dot in their name.
            let path = format!("/etc/sudoers.d/90-{}", user.name.replace('.', "_"));
            let rule = format!("{} ALL=(ALL) NOPASSWD:ALL\n", user.name);
            let path = self.replace(&label, &path, rule.as_bytes())?;
            self.attributes(&label, &path, 0o440, None)?;
        }
        if !user.ssh_keys.is_empty() {
            let accounts = self.text(&label, "/etc/passwd")?;
            let home = home_of(&accounts, &user.name).ok_or_else(|| ActionError::Unfit {
                action: label.clone(),
                message: "has no home directory for its keys".to_owned(),
            })?;
            let owner = Some(user.name.as_str());
            let dir = self.directory(&label, &format!("{home}/.ssh"))?;
            self.attributes(&label, &dir, 0o700, owner)?;
            let keys: String = user.ssh_keys.iter().flat_map(|key| [key.as_str(), "\n"]).collect();
            let path = self.replace(&label, &format!("{dir}/authorized_keys"), keys.as_bytes())?;
            self.attributes(&label, &path, 0o600, owner)?;
        }
        Ok(())
    }

    pub(super) fn hostname(&mut self, name: &str) -> Result<(), ActionError> {
        self.replace(&format!("hostname {name}"), "/etc/hostname", format!("{name}\n").as_bytes()).map(drop)
    }

    pub(super) fn timezone(&mut self, zone: &str) -> Result<(), ActionError> {
        let label = format!("timezone {zone}");
        let data = format!("/usr/share/zoneinfo/{zone}");
        // A directory is a region: `Europe`.
        if !matches!(self.target(&label, &data)?, (_, Some(FileKind::File))) {
            let message = format!("{data} is not in the image: is tzdata installed, and the name right?");
            return Err(ActionError::Unfit { action: label, message });
        }
        let link = self.place(&label, "/etc/localtime")?;
        self.guest.symlink(&format!("..{data}"), &link).for_action(&label)?;
        if self.mechanisms.timezone == TimeZone::EtcTimezone {
            self.replace(&label, "/etc/timezone", format!("{zone}\n").as_bytes())?;
        }
        Ok(())
    }
}

fn home_of(accounts: &str, name: &str) -> Option<String> {
    let entry = accounts.lines().map(|line| line.split(':')).find(|entry| entry.clone().next() == Some(name));
    entry.and_then(|mut entry| entry.nth(5)).filter(|home| home.starts_with('/')).map(str::to_owned)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn home_directories_come_from_the_account_file() {
        let accounts = "root:x:0:0:root:/root:/bin/bash\nodd:x:1\nrel:x:2:2::relative:/bin/sh\n";
        assert_eq!(home_of(accounts, "root").as_deref(), Some("/root"));
        assert_eq!(home_of(accounts, "odd"), None);
        assert_eq!(home_of(accounts, "rel"), None);
    }
}
