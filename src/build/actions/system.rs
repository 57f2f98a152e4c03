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
        let shells = if user.system { ["/usr/sbin/nologin", "/sbin/nologin"] } else { ["/bin/bash", "/bin/sh"] };
        let other = !self.exists(&label, shells[0])? && self.exists(&label, shells[1])?;
        let default_shell = shells[usize::from(other)];
        let shell = user.shell.as_deref().or((!exists).then_some(default_shell));
        if !self.exists(&label, "/usr/sbin/useradd")? && self.exists(&label, "/bin/busybox")? {
            self.busybox_user(&label, user, exists, shell)?;
            self.password(&label, user)?;
            return self.rights_of(&label, user);
        }
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
        self.password(&label, user)?;
        self.rights_of(&label, user)
    }

    /// Gives an account its password, which was locked before.
    fn password(&mut self, label: &str, user: &User) -> Result<(), ActionError> {
        let Some(hash) = &user.password_hash else { return Ok(()) };
        let line = format!("{}:{hash}", user.name);
        self.shell(label, r#"printf '%s\n' "$1" | chpasswd -e"#, std::slice::from_ref(&line), false)?;
        let accounts = self.text(label, "/etc/shadow")?;
        if accounts.lines().any(|entry| entry.strip_prefix(&line).is_some_and(|rest| rest.starts_with(':'))) {
            return Ok(());
        }
        let message = "chpasswd ended well, and /etc/shadow has another password for the account".to_owned();
        Err(ActionError::Undone { action: label.to_owned(), message, tail: Vec::new() })
    }

    /// Makes an account by the programs of busybox. It gets `*` for a password, which no password matches: sshd without PAM lets
    /// nobody in, by a key either, whose password begins with `!`.
    fn busybox_user(&mut self, label: &str, user: &User, exists: bool, shell: Option<&str>) -> Result<(), ActionError> {
        let yes = |is: bool| if is { "yes" } else { "no" }.to_owned();
        let uid = user.uid.map_or(String::new(), |uid| uid.to_string());
        let shell = shell.unwrap_or_default().to_owned();
        let args = [user.name.clone(), user.groups.join(" "), yes(exists), yes(user.system), uid, shell];
        let lines = r#"name=$1 groups=$2 exists=$3 system=$4 uid=$5 shell=$6
has_group() { grep -q "^$1:" /etc/group; }
if [ "$exists" = no ]; then
    set -- -D -s "$shell"
    [ -z "$uid" ] || set -- "$@" -u "$uid"
    if [ "$system" = yes ]; then
        set -- "$@" -S -H
        has_group "$name" || addgroup -S "$name"
    fi
    ! has_group "$name" || set -- "$@" -G "$name"
    adduser "$@" "$name"
else
    if [ -n "$uid" ] && ! grep -q "^$name:[^:]*:$uid:" /etc/passwd; then
        echo "the account has another number, which only usermod changes: install the package shadow" >&2
        exit 99
    fi
    [ -z "$shell" ] || sed -i "s|^\($name:.*:\)[^:]*$|$shell|" /etc/passwd
fi
for group in $groups; do
    has_group "$group" || addgroup -S "$group"
    addgroup "$name" "$group"
done
echo "$name:*" | chpasswd -e
grep -q "^$name:\*:" /etc/shadow || { echo "the account still has a password" >&2; exit 99; }"#;
        self.shell(label, lines, &args, false).map_err(ActionError::explained)
    }

    /// Gives an account its right to use sudo, and its keys.
    fn rights_of(&mut self, label: &str, user: &User) -> Result<(), ActionError> {
        if user.sudo {
            // sudo passes over files with a dot in their name.
            let path = format!("/etc/sudoers.d/90-{}", user.name.replace('.', "_"));
            let rule = format!("{} ALL=(ALL) NOPASSWD:ALL\n", user.name);
            let path = self.replace(label, &path, rule.as_bytes())?;
            self.attributes(label, &path, 0o440, None)?;
        }
        if !user.ssh_keys.is_empty() {
            let accounts = self.text(label, "/etc/passwd")?;
            let home = home_of(&accounts, &user.name).ok_or_else(|| ActionError::Unfit {
                action: label.to_owned(),
                message: "has no home directory for its keys".to_owned(),
            })?;
            let owner = Some(user.name.as_str());
            let dir = self.directory(label, &format!("{home}/.ssh"))?;
            self.attributes(label, &dir, 0o700, owner)?;
            let keys: String = user.ssh_keys.iter().flat_map(|key| [key.as_str(), "\n"]).collect();
            let path = self.replace(label, &format!("{dir}/authorized_keys"), keys.as_bytes())?;
            self.attributes(label, &path, 0o600, owner)?;
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
