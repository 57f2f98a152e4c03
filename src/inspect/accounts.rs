//! Finds out who can log in: passwd(5), shadow(5), group(5), sudoers(5), sshd(8).

use std::collections::BTreeMap;

use super::image::Image;
use super::{Login, Sudo, User};

/// Shells that prevent a login: nologin(8), false(1), and the shells of accounts with one task.
const NO_SHELLS: [&str; 6] = ["nologin", "false", "sync", "shutdown", "halt", "git-shell"];

/// Largest number of accounts whose keys are counted.
const KEYS_LIMIT: usize = 200;

/// Largest number of memberships in groups, of all accounts together. Every account may be in every group, so two files of some
/// megabytes could exceed any memory.
const MEMBERSHIPS_LIMIT: usize = 100_000;

/// Files that are read for accounts. A home may be anywhere.
pub(super) const WANTED: &[&str] = &[
    "/etc/passwd",
    "/etc/shadow",
    "/etc/group",
    "/etc/sudoers",
    "/etc/sudoers.d/*",
    "/**/.ssh/authorized_keys",
    "/**/.ssh/authorized_keys2",
];

/// Returns the accounts with a shell.
pub(super) fn users(image: &mut Image<'_>) -> Vec<User> {
    let mut text = |path| image.text(path).unwrap_or_default();
    let (passwd, shadow, groups, mut rules) =
        (text("/etc/passwd"), text("/etc/shadow"), text("/etc/group"), text("/etc/sudoers"));
    for (_, text) in image.texts(&["/etc/sudoers.d/*"]) {
        rules.push('\n');
        rules.push_str(&text);
    }
    let (mut users, whole) = accounts(&passwd, &shadow, &groups, &rules);
    if !whole {
        let note =
            format!("read /etc/group: accounts are in more than {MEMBERSHIPS_LIMIT} groups, the rest is not listed");
        image.notes.push(note);
    }
    for user in users.iter_mut().take(KEYS_LIMIT) {
        for name in ["authorized_keys", "authorized_keys2"] {
            let path = format!("{}/.ssh/{name}", user.home.trim_end_matches('/'));
            if path.starts_with('/') {
                user.ssh_keys += keys(&image.text(&path).unwrap_or_default());
            }
        }
        if user.ssh_keys > 0 {
            user.logins.push(Login::SshKey);
        }
    }
    users
}

/// Returns the accounts with a shell and their rights, without their keys, and whether the groups are complete.
fn accounts(passwd: &str, shadow: &str, groups: &str, rules: &str) -> (Vec<User>, bool) {
    let groups = Groups::of(groups);
    let mut room = MEMBERSHIPS_LIMIT;
    let mut whole = true;
    let hashes: BTreeMap<&str, &str> = shadow.lines().filter_map(|line| pair(line, 1)).collect();
    let rules = sudo_rules(rules);
    let mut users: Vec<User> = Vec::new();
    for line in passwd.lines() {
        let fields: Vec<&str> = line.split(':').collect();
        let [name, hash, uid, gid, _, home, shell] = fields[..] else { continue };
        let (Ok(uid), false) = (uid.parse(), name.is_empty()) else { continue };
        let shell = if shell.is_empty() { "/bin/sh" } else { shell };
        if NO_SHELLS.contains(&super::paths::file_name(shell)) {
            continue;
        }
        let (groups, all) = groups.of_account(name, gid, room);
        room -= groups.len();
        whole &= all;
        // The second field is the hash itself on systems without shadow, and `x` on all other systems.
        let hash = if hash == "x" { hashes.get(name).copied().unwrap_or("!") } else { hash };
        let subjects = groups.iter().map(|group| format!("%{group}")).chain([name.to_owned(), "ALL".to_owned()]);
        let sudo = subjects.filter_map(|subject| rules.get(&subject).copied()).max().unwrap_or(Sudo::No);
        users.push(User {
            name: name.to_owned(),
            uid,
            home: home.to_owned(),
            shell: shell.to_owned(),
            groups,
            logins: login(hash).into_iter().collect(),
            ssh_keys: 0,
            sudo,
        });
    }
    users.sort_by_key(|user| user.uid);
    (users, whole)
}

/// Returns the first field of a line, and the one with a number.
fn pair(line: &str, number: usize) -> Option<(&str, &str)> {
    let mut fields = line.split(':');
    let name = fields.next()?;
    Some((name, fields.nth(number - 1)?))
}

/// Returns the login that a password hash allows: shadow(5). A value that no password can have locks the account.
fn login(hash: &str) -> Option<Login> {
    match hash {
        "" => Some(Login::EmptyPassword),
        // A hash has its method between `$`, or is a DES hash with 13 characters.
        hash if hash.starts_with('$') && hash.len() > 3 => Some(Login::Password),
        hash if hash.len() == 13 && !hash.starts_with(['!', '*']) => Some(Login::Password),
        _ => None,
    }
}

/// Returns the accounts with the hash of a password in a file such as passwd(5) or shadow(5).
pub(crate) fn accounts_with_passwords(text: &str) -> impl Iterator<Item = &str> {
    let accounts = text.lines().filter_map(|line| pair(line, 1));
    accounts.filter(|(_, hash)| login(hash) == Some(Login::Password)).map(|(name, _)| name)
}

/// The groups of group(5), by number and by member. Searching all groups for each account would take hours if there are very many
/// of both.
#[derive(Default)]
struct Groups<'a> {
    by_number: BTreeMap<&'a str, Vec<&'a str>>,
    /// Group names and numbers.
    by_member: BTreeMap<&'a str, Vec<(&'a str, &'a str)>>,
}

impl<'a> Groups<'a> {
    fn of(text: &'a str) -> Self {
        let mut groups = Self::default();
        for line in text.lines() {
            let fields: Vec<&str> = line.split(':').collect();
            let [group, _, number, members] = fields[..] else { continue };
            groups.by_number.entry(number).or_default().push(group);
            for member in members.split(',').map(str::trim) {
                let of_member = groups.by_member.entry(member).or_default();
                // A line may name an account twice.
                if of_member.last() != Some(&(group, number)) {
                    of_member.push((group, number));
                }
            }
        }
        groups
    }

    /// Returns the groups of an account, its own first, up to `most`, and whether these are all.
    fn of_account(&self, name: &str, gid: &str, most: usize) -> (Vec<String>, bool) {
        let own = self.by_number.get(gid).into_iter().flatten().copied();
        let others = self.by_member.get(name).into_iter().flatten().filter(|(_, number)| *number != gid);
        let mut all = own.chain(others.map(|(group, _)| *group));
        let told = all.by_ref().take(most).map(str::to_owned).collect();
        (told, all.next().is_none())
    }
}

/// Returns who may run all commands as root, by subject: a name, or `%` and a group. It understands only plain rules of
/// sudoers(5), which images use. A rule for single commands does not count.
fn sudo_rules(text: &str) -> BTreeMap<String, Sudo> {
    let mut rules = BTreeMap::new();
    let joined = text.replace("\\\n", " ");
    for line in joined.lines() {
        let line = line.split('#').next().unwrap_or_default().trim();
        let Some((subject, rest)) = line.split_once(char::is_whitespace) else { continue };
        let aside = subject.starts_with("Defaults") || subject.ends_with("_Alias") || subject.starts_with('@');
        let Some((_, commands)) = rest.split_once('=').filter(|_| !aside) else { continue };
        let all = commands
            .split(',')
            .any(|command| command.rsplit([':', ')', ' ']).next().is_some_and(|c| c.trim() == "ALL"));
        if all {
            let right = if commands.contains("NOPASSWD:") { Sudo::NoPassword } else { Sudo::Password };
            for subject in subject.split(',') {
                let best = rules.entry(subject.to_owned()).or_insert(right);
                *best = (*best).max(right);
            }
        }
    }
    rules
}

/// Returns the number of keys in a file of sshd(8).
fn keys(text: &str) -> usize {
    let lines = text.lines().map(str::trim);
    lines
        .filter(|line| !line.is_empty() && !line.starts_with('#'))
        .filter(|line| line.split_whitespace().count() >= 2)
        .count()
}

#[cfg(test)]
mod tests {
    use super::*;

    const PASSWD: &str = "root:x:0:0:root:/root:/bin/bash\ndaemon:x:1:1::/usr/sbin:/usr/sbin/nologin\n\
        ada:x:1000:1000:Ada:/home/ada:/bin/bash\nopen:x:1001:1001::/home/open:\nold:abcdefghijklm:1002:9::/:/bin/sh\n\
        broken line\nsync:x:4:65534:sync:/bin:/bin/sync\n:x:5:5::/:/bin/sh\nbad:x:-1:5::/:/bin/sh\n";
    const SHADOW: &str = "root:*:19000:0:99999:7:::\nada:!$y$j9T$x:1::::::\nopen::1::::::\ndaemon:*:1::::::\n";
    const GROUP: &str = "root:x:0:\nada:x:1000:\nsudo:x:27:ada,open\nusers:x:9:\n";

    #[test]
    fn accounts_are_told_with_what_lets_them_in() {
        let rules = "root ALL=(ALL:ALL) ALL\n%sudo\tALL=(ALL:ALL) NOPASSWD: ALL\n";
        let (users, whole) = accounts(PASSWD, SHADOW, GROUP, rules);
        assert!(whole);
        let told: Vec<_> = users
            .iter()
            .map(|u| format!("{} {} {} {:?} {:?} {}", u.uid, u.name, u.shell, u.logins, u.sudo, u.groups.join(",")))
            .collect();
        assert_eq!(
            told,
            [
                "0 root /bin/bash [] Password root",
                "1000 ada /bin/bash [] NoPassword ada,sudo",
                "1001 open /bin/sh [EmptyPassword] NoPassword sudo",
                "1002 old /bin/sh [Password] No users",
            ]
        );
    }

    /// Each account was searched in each group, and all results were kept.
    #[test]
    fn very_many_accounts_in_very_many_groups_take_neither_time_nor_memory() {
        use std::fmt::Write as _;
        let (mut passwd, mut group) = (String::new(), String::new());
        for n in 0..20_000 {
            writeln!(passwd, "u{n}:x:{n}:7::/:/bin/sh").expect("memory");
            writeln!(group, "g{n}:x:7:u{n},u{n}").expect("memory");
        }
        let begun = std::time::Instant::now();
        let (users, whole) = accounts(&passwd, "", &group, "");
        assert_eq!((users.len(), whole), (20_000, false));
        assert_eq!(users.iter().map(|user| user.groups.len()).sum::<usize>(), MEMBERSHIPS_LIMIT);
        assert!(begun.elapsed() < std::time::Duration::from_secs(5), "{:?}", begun.elapsed());
        let (users, whole) = accounts("a:x:1:9::/:/bin/sh\n", "", &group.replace("u7,", "a,a,"), "");
        assert_eq!((users[0].groups.as_slice(), whole), (&["g7".to_owned()][..], true));
    }

    #[test]
    fn hashes_that_no_password_gives_lock() {
        for (hash, expected) in [
            ("", Some(Login::EmptyPassword)),
            ("*", None),
            ("!", None),
            ("!!", None),
            ("!*", None),
            ("!$6$salt$hash", None),
            ("$6$salt$hash", Some(Login::Password)),
            ("$y$j9T$abc", Some(Login::Password)),
        ] {
            assert_eq!(login(hash), expected, "{hash:?}");
        }
    }

    #[test]
    fn rules_of_sudo_that_give_everything_count() {
        let rules = sudo_rules(
            "Defaults env_reset\nCmnd_Alias X = ALL\n@includedir /etc/sudoers.d\n# root ALL=ALL\n\
             debian ALL=(ALL) NOPASSWD:ALL\n%wheel ALL=(ALL) ALL\nbackup ALL=(root) /usr/bin/rsync, /bin/ls\n\
             long \\\n ALL = (ALL) ALL\nsvc ALL=NOPASSWD: /bin/ALL\n",
        );
        let told: Vec<_> = rules.iter().map(|(subject, right)| format!("{subject} {right:?}")).collect();
        assert_eq!(told, ["%wheel Password", "debian NoPassword", "long Password"]);
    }

    #[test]
    fn keys_are_counted_without_comments() {
        assert_eq!(keys("# none\n\nssh-ed25519 AAAA ada\nno-pty ssh-rsa AAAA\nnoise\n"), 2);
    }
}
