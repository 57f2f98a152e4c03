//! Rules about logins: who can log in, and how the owner's key gets into an instance.

use super::guide::guide;
use super::network::keyed;
use super::sshd;
use super::texts::{CLOUD, cloud_setting, is_yes, lines_of};
use super::unit::{Unit, unit};
use super::view::{Judged, View};
use crate::inspect::{Login, Sudo, User};
use crate::verify::{Finding, Group, Rule, Severity, Stage};

/// The rules of this file, each with its judge, in the order of reports.
pub(super) const RULES: Judged = &[
    (&SSHD, sshd),
    (&KEY_INJECTION, key_injection),
    (&CLOUD_INIT_ENABLED, cloud_init_enabled),
    (&DATASOURCES, datasources),
    (&NO_PASSWORDS, no_passwords),
    (&NO_AUTHORIZED_KEYS, no_authorized_keys),
    (&ONLY_ROOT_IS_ROOT, only_root_is_root),
    (&NO_OTHER_ACCOUNTS, no_other_accounts),
    (&NO_FREE_SUDO, no_free_sudo),
    (&SSH_PASSWORDS, ssh_passwords),
];

/// Settings by which sshd(8) accepts passwords.
const SSHD_KEYS: [&str; 3] = ["PasswordAuthentication", "PermitRootLogin", "PermitEmptyPasswords"];

/// What the element `metadata-ssh-key` fetches the key with.
const SCRIPT: &str = "/usr/local/sbin/metadata-ssh-key";
const SCRIPT_UNIT: &str = "metadata-ssh-key.service";

/// Settings of this element, which name the account that gets the key.
const SCRIPT_SETTINGS: &str = "/etc/metadata-ssh-key.conf";

/// The file that names the possible clouds: the documentation of cloud-init, "ds-identify".
const IDENTIFY: &str = "/etc/cloud/ds-identify.cfg";
/// Files with keys outside of home directories.
const KEYS: &str = "/etc/ssh/{authorized_keys,authorized_keys.d/*,authorized_keys/*}";

pub(super) const WANTED: &[&str] =
    &[sshd::WANTED[0], sshd::WANTED[1], sshd::WANTED[2], IDENTIFY, KEYS, SCRIPT_SETTINGS];

pub(super) const SSHD: Rule = Rule {
    id: "sshd",
    group: Group::Access,
    stage: Stage::Static,
    severity: Severity::Error,
    sentence: "An SSH server is installed and starts at boot",
    reason: "SSH is the only way to log in to an instance.",
    page: guide!("ensure-ssh-server-runs"),
    mend: "add the element `sshd`",
};

pub(super) const KEY_INJECTION: Rule = Rule {
    id: "key-injection",
    group: Group::Access,
    stage: Stage::Static,
    severity: Severity::Error,
    sentence: "A program fetches the SSH key of the instance's owner from the metadata",
    reason: "Without it nobody can log in, because the image has neither keys nor passwords.",
    page: guide!("access-instance-by-using-ssh-public-key-cloud-init"),
    mend: "add the element `cloud-init`, or `metadata-ssh-key` if nothing else of it is wanted",
};

pub(super) const CLOUD_INIT_ENABLED: Rule = Rule {
    id: "cloud-init-enabled",
    group: Group::Metadata,
    stage: Stage::Static,
    severity: Severity::Error,
    sentence: "cloud-init runs at first boot",
    reason: "A disabled cloud-init sets no host name and no SSH key, and runs no user data.",
    page: guide!("process-user-data-and-other-metadata-cloud-init"),
    mend: "remove /etc/cloud/cloud-init.disabled and `cloud-init=disabled`; leave its services unmasked",
};

pub(super) const DATASOURCES: Rule = Rule {
    id: "datasources",
    group: Group::Metadata,
    stage: Stage::Static,
    severity: Severity::Error,
    sentence: "cloud-init looks for OpenStack's metadata on a config drive or at the metadata service",
    reason: "In OpenStack only these sources have the instance's SSH key.",
    page: guide!("process-user-data-and-other-metadata-cloud-init"),
    mend: "set `datasources: [ConfigDrive, OpenStack, NoCloud, None]` of the element `cloud-init`",
};

pub(super) const NO_PASSWORDS: Rule = Rule {
    id: "no-passwords",
    group: Group::Access,
    stage: Stage::Static,
    severity: Severity::Error,
    sentence: "No account has a password or an empty password",
    reason: "All instances would have the same password, so whoever knows it can log in to all of them.",
    page: None,
    mend: "lock the account with `passwd --lock`",
};

pub(super) const NO_AUTHORIZED_KEYS: Rule = Rule {
    id: "no-authorized-keys",
    group: Group::Access,
    stage: Stage::Static,
    severity: Severity::Error,
    sentence: "No account has an authorized_keys file with keys",
    reason: "Whoever has the private key can log in to every instance. The owner's key comes from the metadata.",
    page: None,
    mend: "remove the authorized_keys files in the phase `clean`",
};

pub(super) const ONLY_ROOT_IS_ROOT: Rule = Rule {
    id: "only-root-is-root",
    group: Group::Access,
    stage: Stage::Static,
    severity: Severity::Error,
    sentence: "Only root has the user id 0",
    reason: "Another account with this id is root under another name.",
    page: None,
    mend: "remove the account",
};

pub(super) const NO_OTHER_ACCOUNTS: Rule = Rule {
    id: "no-other-accounts",
    group: Group::Access,
    stage: Stage::Static,
    severity: Severity::Warning,
    sentence: "Only root and the account of the instance's owner have a login shell",
    reason: "An account that an installer made is in every instance, and its author may know a way to log in.",
    page: None,
    mend: "remove the account with `userdel --remove`; if a service needs it, set its shell to /usr/sbin/nologin",
};

pub(super) const NO_FREE_SUDO: Rule = Rule {
    id: "no-free-sudo",
    group: Group::Access,
    stage: Stage::Static,
    severity: Severity::Warning,
    sentence: "Only the account of the instance's owner can run every command by sudo without a password",
    reason: "Every program that runs as such an account can become root.",
    page: None,
    mend: "remove the account's rule from /etc/sudoers.d",
};

pub(super) const SSH_PASSWORDS: Rule = Rule {
    id: "ssh-passwords",
    group: Group::Access,
    stage: Stage::Static,
    severity: Severity::Warning,
    sentence: "The SSH server accepts no passwords, also not root's",
    reason: "Attackers try thousands of passwords a day on instances with public addresses.",
    page: None,
    mend: "add the element `sshd`, which sets `PasswordAuthentication no`",
};

pub(super) fn sshd(view: &View) -> Finding {
    let installed = ["/usr/sbin/sshd", "/usr/bin/sshd", "/usr/sbin/dropbear"];
    let Some(server) = installed.into_iter().find(|path| view.tree.is_file(path)) else {
        return SSHD.failed(["no SSH server is installed"]);
    };
    let units = ["ssh.service", "sshd.service", "ssh.socket", "sshd.socket", "dropbear.service"];
    match units.into_iter().find(|name| unit(&view.tree, name) == Unit::Enabled) {
        // Debian's unit has this file as a condition.
        Some(_) if view.tree.exists("/etc/ssh/sshd_not_to_be_run") => {
            SSHD.failed(["/etc/ssh/sshd_not_to_be_run is there"])
        }
        Some(name) => SSHD.passed([format!("{server}, started by {name}")]),
        None => SSHD.failed([format!("{server} is there, and none of its units starts at boot")]),
    }
}

pub(super) fn key_injection(view: &View) -> Finding {
    let agents = [
        ("cloud-init", "/usr/bin/cloud-init"),
        ("Ignition", "/usr/lib/dracut/modules.d/30ignition"),
        ("Afterburn", "/usr/bin/afterburn"),
        ("coreos-cloudinit", "/usr/bin/coreos-cloudinit"),
        ("tiny-cloud", "/usr/bin/tiny-cloud"),
    ];
    match agents.into_iter().find(|(_, path)| view.tree.exists(path)) {
        Some((name, _)) => KEY_INJECTION.passed([name]),
        None if !view.tree.is_file(SCRIPT) => {
            KEY_INJECTION.failed(["neither cloud-init nor another agent of a cloud is installed"])
        }
        None if unit(&view.tree, SCRIPT_UNIT) != Unit::Enabled => {
            KEY_INJECTION.failed([format!("{SCRIPT} is there, and {SCRIPT_UNIT} does not start at boot")])
        }
        None => KEY_INJECTION.passed([SCRIPT]),
    }
}

pub(super) fn cloud_init_enabled(view: &View) -> Finding {
    let Some(cloud_init) = &view.system.cloud_init else {
        return CLOUD_INIT_ENABLED.skipped("cloud-init is not installed");
    };
    let mut against = Vec::new();
    if !cloud_init.enabled {
        against.push("/etc/cloud/cloud-init.disabled is there".to_owned());
    }
    let entry = view.system.boot.default.as_ref();
    if entry.is_some_and(|entry| entry.args.iter().any(|arg| arg == "cloud-init=disabled")) {
        against.push("the kernel's arguments have cloud-init=disabled".to_owned());
    }
    let policy = lines_of(&view.tree, &[IDENTIFY]).find(|(_, line)| line.starts_with("policy: disabled"));
    against.extend(policy.map(|(path, line)| format!("{path}: {line}")));
    let off = |name: &str| [Unit::Off, Unit::Masked].contains(&unit(&view.tree, name));
    let services = [
        "cloud-init-local.service",
        "cloud-init.service",
        "cloud-init-main.service",
        "cloud-config.service",
        "cloud-final.service",
    ];
    against.extend(services.into_iter().filter(|name| off(name)).map(|name| format!("{name} does not start at boot")));
    CLOUD_INIT_ENABLED.unless(against)
}

pub(super) fn datasources(view: &View) -> Finding {
    let Some(cloud_init) = &view.system.cloud_init else {
        return DATASOURCES.skipped("cloud-init is not installed");
    };
    let list = &cloud_init.datasources;
    if list.is_empty() {
        DATASOURCES.passed(["the list is left to cloud-init, which knows them all"])
    } else if list.iter().any(|name| ["OpenStack", "ConfigDrive"].contains(&name.as_str())) {
        DATASOURCES.passed([list.join(", ")])
    } else {
        DATASOURCES.failed([format!("it looks for {} only", list.join(", "))])
    }
}

fn users_with(view: &View, against: impl Fn(&User) -> Option<String>) -> Vec<String> {
    view.system.users.iter().filter_map(|user| Some(format!("{}: {}", user.name, against(user)?))).collect()
}

pub(super) fn no_passwords(view: &View) -> Finding {
    let told = |user: &User| {
        user.logins.iter().find_map(|login| match login {
            Login::Password => Some("it has a password".to_owned()),
            Login::EmptyPassword => Some("it needs no password".to_owned()),
            Login::SshKey => None,
        })
    };
    // Values that cloud-init gives to the default user of every instance.
    let keys = ["password", "passwd", "plain_text_passwd", "hashed_passwd", "chpasswd"];
    let set = keyed(view, &[(CLOUD, &keys)], |_| true).into_iter().map(|line| match line.split_once(": ") {
        // The report must not show the password itself.
        Some((path, rest)) => format!("{path}: {}: ...", rest.split(':').next().unwrap_or_default()),
        None => line,
    });
    NO_PASSWORDS.unless(users_with(view, told).into_iter().chain(set))
}

pub(super) fn no_authorized_keys(view: &View) -> Finding {
    let files = ["/**/.ssh/authorized_keys{,2}", KEYS].into_iter().flat_map(|pattern| view.tree.glob(pattern));
    let text = |path: &str| view.tree.text(path);
    let has_key =
        |path: &String| text(path).lines().any(|line| !line.trim().is_empty() && !line.trim_start().starts_with('#'));
    let given = keyed(view, &[(CLOUD, &["ssh_authorized_keys", "ssh-authorized-keys"])], |_| true);
    NO_AUTHORIZED_KEYS.unless(files.filter(has_key).chain(given))
}

pub(super) fn only_root_is_root(view: &View) -> Finding {
    let other = |user: &User| (user.uid == 0 && user.name != "root").then(|| "its number is 0".to_owned());
    ONLY_ROOT_IS_ROOT.unless(users_with(view, other))
}

/// Returns the account that gets the key of the instance's owner: cloud-init's default user, or that of the element
/// `metadata-ssh-key`.
pub(super) fn owner(view: &View) -> Option<String> {
    let default = view.system.cloud_init.as_ref().and_then(|it| it.default_user.clone());
    let named = |line: String| line.strip_prefix("user=").map(|name| name.trim().to_owned());
    default.or_else(|| lines_of(&view.tree, &[SCRIPT_SETTINGS]).find_map(|(_, line)| named(line)))
}

pub(super) fn no_other_accounts(view: &View) -> Finding {
    let owner = owner(view);
    let other = |user: &User| {
        // Accounts of people have numbers in this range: login.defs(5), UID_MIN and UID_MAX.
        let person = (1000..=60_000).contains(&user.uid) || !user.logins.is_empty();
        let expected = user.name == "root" || Some(&user.name) == owner.as_ref();
        (person && !expected).then(|| format!("number {}, shell {}", user.uid, user.shell))
    };
    NO_OTHER_ACCOUNTS.unless(users_with(view, other))
}

pub(super) fn no_free_sudo(view: &View) -> Finding {
    let owner = owner(view);
    let free = |user: &User| {
        let expected = user.uid == 0 || Some(&user.name) == owner.as_ref();
        (user.sudo == Sudo::NoPassword && !expected).then(|| "sudo asks it for no password".to_owned())
    };
    NO_FREE_SUDO.unless(users_with(view, free))
}

pub(super) fn ssh_passwords(view: &View) -> Finding {
    if !view.tree.exists(sshd::CONFIG) {
        return SSH_PASSWORDS.skipped("OpenSSH's server is not installed");
    }
    let values = sshd::settings(&view.tree);
    let value = |name: &str| {
        let found = values.get(&name.to_ascii_lowercase());
        found.map(|(path, value)| (path.clone(), value.to_ascii_lowercase()))
    };
    let mut against = Vec::new();
    match value(SSHD_KEYS[0]) {
        None => against.push("PasswordAuthentication is not set, and is `yes` by default".to_owned()),
        Some((path, value)) if value != "no" => against.push(format!("{path}: PasswordAuthentication {value}")),
        Some(_) => {}
    }
    for name in &SSHD_KEYS[1..] {
        against.extend(value(name).filter(|(_, value)| value == "yes").map(|(path, _)| format!("{path}: {name} yes")));
    }
    // cloud-init writes its own file for this setting, which sshd reads first.
    let cloud = cloud_setting(&view.tree, None, "ssh_pwauth");
    let allowed = cloud.filter(|(.., value)| is_yes(value));
    against.extend(allowed.map(|(path, line, _)| format!("{path}: {line}")));
    SSH_PASSWORDS.unless(against)
}

#[cfg(test)]
mod tests {
    use super::super::tests::{judge_one, view_of};
    use super::*;
    use crate::verify::Outcome;

    /// An image without cloud-init names the account of the owner in the settings of `metadata-ssh-key`.
    #[test]
    fn the_account_that_gets_the_key_is_that_of_the_owner() {
        let passwd = ("/etc/passwd", "root:x:0:0::/root:/bin/sh\nops:x:1000:1000::/home/ops:/bin/sh");
        let outcome = |others: &[(&str, &str)]| {
            let view = view_of(&[&[passwd], others].concat());
            (owner(&view), judge_one(&view, "no-other-accounts").outcome)
        };
        let settings = |user| ("/etc/metadata-ssh-key.conf", user);
        assert_eq!(outcome(&[settings("user=ops\nhostname=yes\n")]), (Some("ops".to_owned()), Outcome::Passed));
        assert_eq!(outcome(&[settings("user=root\n")]), (Some("root".to_owned()), Outcome::Failed));
        assert_eq!(outcome(&[]), (None, Outcome::Failed));
        let cloud = ("/etc/cloud/cloud.cfg", "system_info: { default_user: { name: debian } }\n");
        assert_eq!(outcome(&[cloud, settings("user=ops\n")]), (Some("debian".to_owned()), Outcome::Failed));
    }
}
