//! Rules about values that two machines must not share, such as host keys, and about unsafe files.

use super::texts::{lines_of, release};
use super::view::{Judged, View};
use crate::guest::{Entry, FileKind};
use crate::inspect;
use crate::verify::{Finding, Group, Rule, Severity, Stage};

/// The rules of this file, each with its judge, in the order of reports.
pub(super) const RULES: Judged = &[
    (&MACHINE_ID, machine_id),
    (&DBUS_MACHINE_ID, dbus_machine_id),
    (&NO_HOST_KEYS, no_host_keys),
    (&NO_PRIVATE_KEYS, no_private_keys),
    (&NO_ACCOUNT_BACKUPS, no_account_backups),
    (&NO_RANDOM_SEED, no_random_seed),
    (&NO_CLOUD_INIT_STATE, no_cloud_init_state),
    (&WORLD_WRITABLE, world_writable),
    (&STRAY_SETUID, stray_setuid),
    (&HOSTNAME, hostname),
    (&TIME_ZONE, time_zone),
];

pub(super) const WANTED: &[&str] = &[
    "/etc/machine-id",
    "/var/lib/dbus/machine-id",
    PRIVATE_KEYS[0],
    PRIVATE_KEYS[1],
    BACKUPS,
    "/etc/hostname",
    "/etc/localtime",
];

/// Files with private keys of accounts and of the machine.
const PRIVATE_KEYS: &[&str] = &["/{root,home/*}/.ssh/id_*", "/etc/{ssl,pki/tls}/private/*"];

/// Backups by programs that change accounts, and by a daily job of Debian.
const BACKUPS: &str = "/{etc/{passwd,shadow,gshadow}-,var/backups/{passwd,shadow,gshadow}.bak*}";

/// Returns a rule about hygiene, with the values that all of them have in common.
pub(super) const fn rule(id: &'static str, severity: Severity, texts: [&'static str; 3]) -> Rule {
    let [sentence, reason, mend] = texts;
    Rule { id, group: Group::Hygiene, stage: Stage::Static, severity, sentence, reason, page: None, mend }
}

pub(super) const SYSPREP: &str = "add the element `sysprep`";

pub(super) const MACHINE_ID: Rule = rule(
    "machine-id",
    Severity::Error,
    [
        "/etc/machine-id is empty",
        "The id identifies one machine. DHCP, the journal and keys use it, and two machines with the same id conflict.",
        SYSPREP,
    ],
);

pub(super) const DBUS_MACHINE_ID: Rule = rule(
    "dbus-machine-id",
    Severity::Error,
    ["D-Bus has no machine-id of its own", "The id would be the same in every instance.", SYSPREP],
);

pub(super) const NO_HOST_KEYS: Rule = rule(
    "no-host-keys",
    Severity::Error,
    [
        "The image has no SSH host keys",
        "Whoever has the image could pose as every instance of it.",
        "add the element `sysprep`; with the element `sshd` every instance makes its own keys",
    ],
);

pub(super) const NO_PRIVATE_KEYS: Rule = rule(
    "no-private-keys",
    Severity::Error,
    [
        "The image has no private keys, neither SSH keys of accounts nor TLS keys",
        "Whoever has the image has the key, and can log in where the key is accepted or pose as every instance.",
        "remove the key in the phase `clean`; for the build use a `secret` of the recipe, which never gets into the \
         image, and make TLS keys at first boot",
    ],
);

pub(super) const NO_ACCOUNT_BACKUPS: Rule = rule(
    "no-account-backups",
    Severity::Error,
    [
        "No backup of account files has a password hash",
        "Attackers can guess the former password from the hash, and the password may also be used elsewhere.",
        SYSPREP,
    ],
);

pub(super) const NO_RANDOM_SEED: Rule = rule(
    "no-random-seed",
    Severity::Error,
    [
        "The image has no saved random seeds and no system secret",
        "Instances that start from the same seed may make the same keys.",
        SYSPREP,
    ],
);

pub(super) const NO_CLOUD_INIT_STATE: Rule = rule(
    "no-cloud-init-state",
    Severity::Error,
    [
        "cloud-init has never run",
        "Otherwise cloud-init would skip what it does once per instance, and could use another instance's metadata.",
        SYSPREP,
    ],
);

pub(super) const WORLD_WRITABLE: Rule = rule(
    "world-writable",
    Severity::Error,
    [
        "Only directories with the sticky bit are writable for everybody",
        "Any program in the instance could change them and mislead other programs.",
        "remove the permission with a `run` action: `chmod o-w`",
    ],
);

pub(super) const STRAY_SETUID: Rule = rule(
    "stray-setuid",
    Severity::Warning,
    [
        "Setuid and setgid programs lie only where packages put them",
        "A setuid program in another place can be a way to become root.",
        "remove the program, or its bits: `chmod u-s,g-s`",
    ],
);

pub(super) const HOSTNAME: Rule = rule(
    "hostname",
    Severity::Info,
    [
        "The host name does not name a single machine",
        "All instances to which the cloud gives no name would have the same name.",
        "set `hostname: localhost` with the element `base-system`, or remove /etc/hostname",
    ],
);

pub(super) const TIME_ZONE: Rule = rule(
    "time-zone",
    Severity::Info,
    [
        "The time zone is UTC",
        "People compare logs of instances in many places.",
        "set `timezone: Etc/UTC` of the element `base-system`",
    ],
);

pub(super) fn machine_id(view: &View) -> Finding {
    const PATH: &str = "/etc/machine-id";
    match view.tree.find(PATH) {
        // systemd then creates one, and treats the boot as a first boot: machine-id(5).
        None => MACHINE_ID.passed(["it is not there"]),
        Some(entry) if entry.kind != FileKind::File => MACHINE_ID.failed([format!("{PATH} is not a regular file")]),
        Some(entry) if entry.size == 0 => MACHINE_ID.passed::<&str>([]),
        Some(_) => match view.tree.text(PATH).trim() {
            "uninitialized" => MACHINE_ID.passed(["uninitialized"]),
            other => MACHINE_ID.failed([format!("{PATH}: {other}")]),
        },
    }
}

pub(super) fn dbus_machine_id(view: &View) -> Finding {
    const PATH: &str = "/var/lib/dbus/machine-id";
    let own = view.tree.find(PATH).filter(|entry| entry.kind == FileKind::File && entry.size > 0);
    DBUS_MACHINE_ID.unless(own.map(|_| format!("{PATH}: {}", view.tree.text(PATH).trim())))
}

/// Returns the files that match patterns and are not empty.
pub(super) fn filled(view: &View, patterns: &[&str]) -> Vec<String> {
    let paths = patterns.iter().flat_map(|pattern| view.tree.glob(pattern));
    let filled = |path: &String| view.tree.find(path).is_some_and(|it| it.kind == FileKind::File && it.size > 0);
    paths.filter(filled).collect()
}

pub(super) fn no_host_keys(view: &View) -> Finding {
    NO_HOST_KEYS.unless(filled(view, &["/etc/ssh/ssh_host_*_key", "/etc/dropbear/dropbear_*_host_key"]))
}

pub(super) fn no_private_keys(view: &View) -> Finding {
    let paths = filled(view, PRIVATE_KEYS).into_iter();
    NO_PRIVATE_KEYS.unless(paths.filter(|path| view.tree.text(path).contains("PRIVATE KEY")))
}

pub(super) fn no_account_backups(view: &View) -> Finding {
    let told = view.tree.glob(BACKUPS).into_iter().flat_map(|path| {
        let text = view.tree.text(&path);
        let accounts = inspect::accounts_with_passwords(&text);
        accounts.map(|name| format!("{path}: the password of {name}")).collect::<Vec<_>>()
    });
    NO_ACCOUNT_BACKUPS.unless(told)
}

pub(super) fn no_random_seed(view: &View) -> Finding {
    NO_RANDOM_SEED.unless(filled(
        view,
        &[
            "/var/lib/systemd/{random-seed,credential.secret}",
            "/var/lib/random-seed",
            "/var/lib/urandom/random-seed",
            "/{boot/efi,efi,boot}/loader/random-seed",
        ],
    ))
}

pub(super) fn no_cloud_init_state(view: &View) -> Finding {
    let state =
        ["/var/lib/cloud/instance", "/var/lib/cloud/instances/*", "/var/lib/cloud/sem/*", "/var/lib/cloud/data/*"];
    NO_CLOUD_INIT_STATE.unless(state.iter().flat_map(|pattern| view.tree.glob(pattern)))
}

pub(super) fn world_writable(view: &View) -> Finding {
    let against = |entry: &&Entry| match entry.kind {
        FileKind::File => entry.mode & 0o002 != 0,
        FileKind::Directory => entry.mode & 0o1002 == 0o002,
        FileKind::Symlink | FileKind::Special => false,
    };
    // File systems without modes, such as FAT, show the modes of their mount options.
    let found = view.tree.entries().iter().filter(against);
    WORLD_WRITABLE.unless(found.map(|entry| format!("{}: mode {:04o}", entry.path, entry.mode)))
}

pub(super) fn stray_setuid(view: &View) -> Finding {
    const PLACES: [&str; 9] =
        ["/usr/bin/", "/usr/sbin/", "/usr/lib/", "/usr/lib64/", "/usr/libexec/", "/bin/", "/sbin/", "/lib/", "/lib64/"];
    let stray = view.tree.entries().iter().filter(|entry| {
        let special = entry.kind == FileKind::File && entry.mode & 0o6000 != 0 && entry.mode & 0o111 != 0;
        special && !PLACES.iter().any(|place| entry.path.starts_with(place))
    });
    STRAY_SETUID.unless(stray.map(|entry| format!("{}: mode {:04o}", entry.path, entry.mode)))
}

pub(super) fn hostname(view: &View) -> Finding {
    const PATH: &str = "/etc/hostname";
    let name = lines_of(&view.tree, &[PATH]).next().map(|(_, line)| line).unwrap_or_default();
    // Values that distributions and cloud-init treat as no name: hostname(5), os-release(5).
    let distro = release(&view.tree, "ID").unwrap_or_default();
    let none = ["", "localhost", "localhost.localdomain", "(none)"];
    if none.contains(&name.as_str()) || name == distro {
        HOSTNAME.passed(Some(name).filter(|name| !name.is_empty()))
    } else {
        HOSTNAME.failed([format!("{PATH}: {name}")])
    }
}

pub(super) fn time_zone(view: &View) -> Finding {
    const PATH: &str = "/etc/localtime";
    let utc = ["UTC", "UCT", "Universal", "Zulu", "GMT", "Greenwich"];
    match view.tree.link(PATH) {
        Some(target) if target.rsplit('/').next().is_some_and(|name| utc.contains(&name)) => TIME_ZONE.passed([target]),
        Some(target) => TIME_ZONE.failed([format!("{PATH} is a link to {target}")]),
        None if !view.tree.exists(PATH) => TIME_ZONE.passed(["none is set, which is UTC"]),
        // The last line of such a file is the rule for the future: tzfile(5).
        None => match view.tree.text(PATH).trim_end().rsplit('\n').next() {
            Some("UTC0" | "GMT0") => TIME_ZONE.passed::<&str>([]),
            rule => TIME_ZONE.failed([format!("{PATH} says {}", rule.unwrap_or_default())]),
        },
    }
}
