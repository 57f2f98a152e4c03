//! The element `sysprep` on a real image: leftovers of all kinds are put there, and the element removes what its parameters name
//! and nothing else.

use std::collections::BTreeSet;
use std::path::Path;
use std::process::Command;

use goldsmith::digest::Sha256;
use goldsmith::guest::Guest as _;
use goldsmith::process::capture;
use goldsmith::recipe::{self, Arch, LoadOptions};
use goldsmith::verify::{Outcome, statics};

use crate::sabotage::DISK;
use crate::sabotage::disk_guest::DiskGuest;

/// Files that a parameter names: they are gone, or empty where a program needs the file.
const LEFTOVERS: &[(&str, &[&str])] = &[
    (
        "host_keys",
        &[
            "etc/ssh/ssh_host_ed25519_key",
            "etc/ssh/ssh_host_rsa_key",
            "etc/ssh/ssh_host_rsa_key.pub",
            "etc/dropbear/dropbear_rsa_host_key",
        ],
    ),
    (
        "random_seed",
        &[
            "var/lib/systemd/random-seed",
            "var/lib/urandom/random-seed",
            "var/lib/systemd/credential.secret",
            "boot/loader/random-seed",
        ],
    ),
    (
        "cloud_init",
        &[
            "var/lib/cloud/instance",
            "var/lib/cloud/instances/i-1/boot-finished",
            "etc/ssh/sshd_config.d/50-cloud-init.conf",
        ],
    ),
    (
        "logs",
        &[
            "var/log/dpkg.log",
            "var/log/journal/0123/system.journal",
            "var/log/samba/log.smbd",
            "var/log/wtmp",
            "var/named/data/named.run",
        ],
    ),
    (
        "package_caches",
        &[
            "var/cache/apt/pkgcache.bin",
            "var/cache/apt/archives/a.deb",
            "var/cache/dnf/main/a.rpm",
            "var/cache/apk/a.apk",
            "var/cache/pacman/pkg/a.pkg.tar.zst",
            "var/lib/pacman/sync/core.db",
        ],
    ),
    (
        "shell_history",
        &["root/.bash_history", "root/.mysql_history", "home/other/.zsh_history", "home/other/.psql_history"],
    ),
    ("leases", &["var/lib/dhcp/dhclient.leases", "var/lib/NetworkManager/internal-eth0.lease"]),
    ("temporary_files", &["tmp/a", "var/tmp/.b"]),
    ("mail", &["var/mail/root"]),
    ("backups", &["etc/shadow-", "etc/subuid-", "var/backups/passwd.bak"]),
    (
        "installer_files",
        &["root/anaconda-ks.cfg", "root/original-ks.cfg", "root/install.log", "root/install.log.syslog"],
    ),
    ("editor_backups", &["etc/own.conf~", "srv/www/index.html.bak", "root/.notes~"]),
    (
        "crash_data",
        &[
            "var/crash/2026/vmcore",
            "var/spool/abrt/ccpp-1/core",
            "var/lib/systemd/coredump/core.a",
            "var/lib/systemd/pstore/a",
        ],
    ),
    (
        "user_jobs",
        &["var/spool/cron/crontabs/root", "var/spool/cron/root", "var/spool/cron/atjobs/.SEQ", "var/spool/at/a0001"],
    ),
    ("device_lists", &["etc/blkid.tab", "etc/blkid/blkid.tab", "etc/lvm/devices/system.devices"]),
    ("storage_names", &["etc/nvme/hostnqn", "etc/nvme/hostid"]),
    (
        "dhcp_server",
        &[
            "var/lib/dhcpd/dhcpd.leases",
            "var/lib/dhcpd/dhcpd.leases~",
            "var/lib/kea/kea.csv",
            "var/lib/misc/dnsmasq.leases",
        ],
    ),
    (
        "login_records",
        &["var/account/pacct", "var/account/pacct-20260101", "var/lib/wtmpdb/wtmp.db", "var/lib/lastlog/lastlog2.db"],
    ),
    (
        "login_data",
        &["var/lib/fprint/a/b", "var/lib/faillock/root", "var/lib/AccountsService/users/a", "etc/security/opasswd"],
    ),
    ("keytabs", &["etc/krb5.keytab"]),
    ("ipa", &["etc/ipa/ca.crt", "etc/ipa/default.conf", "var/lib/ipa-client/sysrestore/a", "var/lib/ipa-client/pki/a"]),
    ("sssd", &["var/lib/sss/db/cache.ldb", "var/lib/sss/secrets/.secrets.mkey"]),
    ("samba", &["var/lib/samba/account_policy.tdb", "var/lib/samba/private/secrets.tdb"]),
    ("dovecot", &["var/lib/dovecot/instances", "var/lib/dovecot/ssl-parameters.dat"]),
    (
        "puppet",
        &[
            "var/lib/puppet/state/state.yaml",
            "var/cache/puppet/state/a",
            "etc/puppetlabs/puppet/ssl/private_keys/a.pem",
        ],
    ),
    (
        "subscriptions",
        &[
            "etc/pki/consumer/key.pem",
            "etc/pki/entitlement/1.pem",
            "var/lib/rhsm/facts/facts.json",
            "etc/insights-client/machine-id",
            "etc/sysconfig/rhn/systemid",
            "etc/zypp/credentials.d/SCCcredentials",
            "var/lib/ubuntu-advantage/private/machine-token.json",
            "etc/apt/auth.conf.d/90ubuntu-advantage",
        ],
    ),
    (
        "package_ids",
        &[
            "var/lib/yum/uuid",
            "var/lib/dnf/repos/a/countme",
            "var/lib/zypp/AnonymousUniqueId",
            "etc/sysconfig/hw-uuid",
            "etc/smolt/uuid",
            "var/lib/rpm/__db.001",
        ],
    ),
];

/// The same, of parameters that are off by default.
const WANTED_BY_SOME: &[(&str, &[&str])] = &[
    ("ssh_directories", &["root/.ssh/authorized_keys", "home/other/.ssh/known_hosts"]),
    ("network_profiles", &["etc/NetworkManager/system-connections/a.nmconnection", "etc/netplan/60-own.yaml"]),
    ("firewall_rules", &["etc/sysconfig/iptables", "etc/iptables/rules.v4", "etc/firewalld/zones/own.xml"]),
    (
        "kerberos_server",
        &["var/kerberos/krb5kdc/principal", "var/lib/krb5kdc/principal.kadm5.lock", "etc/krb5kdc/stash"],
    ),
    (
        "tls_certificates",
        &[
            "etc/pki/tls/private/a.key",
            "etc/pki/tls/certs/own.crt",
            "etc/pki/CA/private/a.pem",
            "etc/ssl/private/a.key",
        ],
    ),
];

/// Files that must be there however the parameters are, with their content.
const STAYS: &[(&str, &str)] = &[
    ("etc/cron.d/own", "of the image"),
    ("etc/own.conf", "of the image"),
    ("home/other/.profile", "of the image"),
    ("var/lib/containers/storage/layer/a.bak", "of the image"),
    ("var/lib/misc/own", "of the image"),
    ("etc/netplan/README", "of the image"),
    ("var/kerberos/krb5kdc/kdc.conf", "of the image"),
    ("var/kerberos/krb5kdc/kadm5.acl", "of the image"),
    ("etc/pki/tls/certs/ca-bundle.crt", "of the image"),
    ("etc/samba/smb.conf", "of the image"),
    ("etc/sssd/sssd.conf", "of the image"),
    ("etc/puppetlabs/puppet/puppet.conf", "of the image"),
    ("var/lib/rhsm/productid.js", "of the image"),
];

/// Directories without which services do not start.
const DIRECTORIES: &[&str] =
    &["/var/spool/cron/crontabs", "/var/lib/samba/private", "/var/lib/sss/db", "/var/lib/dhcpd", "/var/log/samba"];

/// Files that are emptied, because a program does not work without them.
const EMPTIED: &[&str] = &["var/lib/dhcpd/dhcpd.leases", "var/account/pacct", "etc/security/opasswd"];

/// A profile of NetworkManager that has a host name.
const NAMED_PROFILE: &str = "etc/NetworkManager/system-connections/named.nmconnection";

/// Files that lose a line: what they are before, and afterwards.
const EDITED: &[(&str, &str, &str)] = &[
    (
        "etc/iscsi/initiatorname.iscsi",
        "## of open-iscsi\nInitiatorName=iqn.a\n",
        "## of open-iscsi\nGenerateName=yes\n",
    ),
    ("etc/sysconfig/network-scripts/ifcfg-eth0", "DEVICE=eth0\nDHCP_HOSTNAME=a\nHOSTNAME=a\n", "DEVICE=eth0\n"),
    (NAMED_PROFILE, "[ipv4]\ndhcp-hostname=a\nmethod=auto\n", "[ipv4]\nmethod=auto\n"),
];

/// How the parameters of the element are set.
#[derive(Clone, Copy, PartialEq, Debug)]
enum Set {
    Off,
    Default,
    On,
}

fn leftovers() -> impl Iterator<Item = &'static (&'static str, &'static [&'static str])> {
    LEFTOVERS.iter().chain(WANTED_BY_SOME)
}

/// Parameters without a row here: their files are of another kind than a leftover that is put there.
const OTHERS: [&str; 5] = ["machine_id", "resolv_conf", "service_policy", "dhcp_hostnames", "accounts"];

impl Set {
    fn recipe(self, image: &Path) -> String {
        let set = |value: bool| {
            let names = leftovers().map(|(name, _)| *name).chain(OTHERS.into_iter().filter(|name| *name != "accounts"));
            names.map(|name| format!("{name}: {value}")).collect::<Vec<_>>().join(", ")
        };
        let params = match self {
            Self::Off => format!("{{ {} }}", set(false)),
            Self::Default => "{}".to_owned(),
            Self::On => format!("{{ {}, accounts: [other] }}", set(true)),
        };
        format!(
            "name: prepared\nbase: {{ image: {{ source: {}, sha256: {} }} }}\ndisk: {{ size: 3GiB }}\n\
             elements: [{{ sysprep: {params} }}]\nsteps:\n  configure:\n    - user: {{ name: other, uid: 1234 }}\n    \
             - copy: {{ source: planted, path: / }}\noutputs: [{{ format: qcow2 }}]\n",
            image.display(),
            Sha256::of_file(image).expect("an image"),
        )
    }
}

#[test]
fn each_parameter_of_sysprep_has_its_leftovers() {
    let text = std::fs::read_to_string("elements/sysprep/element.yaml").expect("an element");
    let params = text.split_once("params:\n").expect("parameters").1.split_once("\n\n").expect("an end").0;
    let declared: BTreeSet<_> =
        params.lines().filter_map(|line| line.trim().split_once(':')).map(|(name, _)| name).collect();
    let tested: BTreeSet<_> = leftovers().map(|(name, _)| *name).chain(OTHERS).collect();
    assert_eq!(declared, tested);
}

#[test]
#[ignore = "needs libguestfs and a package mirror"]
fn sysprep_removes_what_its_parameters_name_and_nothing_else() {
    let disk_guest = DiskGuest::new();
    let base = crate::shared::debian_12();
    let work = disk_guest.work.path();
    plant(&work.join("planted"));
    let sets = [Set::Off, Set::Default, Set::On];
    for set in sets {
        let file = work.join(format!("{set:?}.yaml"));
        std::fs::write(&file, set.recipe(&base)).expect("a recipe");
        let mut goldsmith = Command::new(env!("CARGO_BIN_EXE_goldsmith"));
        goldsmith.arg("build").arg(&file).arg("--no-verify").arg("--cache").arg(work.join("cache"));
        capture(goldsmith.arg("--out").arg(work.join(format!("{set:?}")))).unwrap_or_else(|error| panic!("{error}"));
        disk_guest.tell(&format!("built: {set:?}"));
    }
    // The checks of the element, with all parameters on.
    let options = LoadOptions::new(Arch::X86_64);
    let text = std::fs::read_to_string("recipes/debian-12.yaml").expect("a recipe");
    let names = leftovers().map(|(name, _)| format!("{name}: true")).collect::<Vec<_>>().join(", ");
    let all = text.replacen("- sysprep\n", &format!("- sysprep: {{ {names}, accounts: [other] }}\n"), 1);
    assert_ne!(all, text);
    std::fs::write(work.join("all.yaml"), all).expect("a recipe");
    let loaded = recipe::load(&work.join("all.yaml"), &options, None).expect("a recipe");
    let checks = loaded.composition.expect("a known distribution").checks;
    let checks: Vec<_> = checks.into_iter().filter(|(element, _)| element == "sysprep").collect();

    let mut guest = disk_guest.launch();
    let mut told = Vec::new();
    for set in sets {
        disk_guest.attach_other(&mut guest, &work.join(format!("{set:?}/prepared.qcow2")), DISK);
        let found = statics::examine_attached(&mut guest, &checks).expect("examined");
        let of_element = found.findings.iter().filter(|finding| finding.id.starts_with("sysprep/"));
        for finding in of_element {
            let good = finding.outcome == Outcome::Passed;
            let expected = match set {
                Set::On => true,
                Set::Off => false,
                // Those of parameters that are off by default are the last.
                Set::Default => finding.id["sysprep/".len()..].parse::<u32>().expect("a number") < 34,
            };
            if good != expected {
                told.push(format!("{set:?}: {} {:?}: {:?}", finding.id, finding.outcome, finding.evidence));
            }
        }
        told.extend(against(&mut guest, set).into_iter().map(|line| format!("{set:?}: {line}")));
        guest.unmount().expect("unmounted");
        disk_guest.tell(&format!("examined: {set:?}"));
    }
    assert!(told.is_empty(), "{}", told.join("\n"));
}

/// Writes all files below a directory of the host.
fn plant(directory: &Path) {
    let leftovers = leftovers().flat_map(|(_, paths)| *paths).map(|path| (*path, "of one machine\n"));
    let edited = EDITED.iter().map(|(path, before, _)| (*path, *before));
    let machine = [("etc/machine-id", "0123456789abcdef0123456789abcdef\n"), ("var/lib/dbus/machine-id", "0123\n")];
    for (path, content) in leftovers.chain(STAYS.iter().copied()).chain(edited).chain(machine) {
        let path = directory.join(path);
        std::fs::create_dir_all(path.parent().expect("a directory")).expect("a directory");
        std::fs::write(path, content).expect("a file");
    }
}

/// What is wrong with the files of a mounted image.
fn against(guest: &mut goldsmith::guest::libguestfs::LibguestfsGuest, set: Set) -> Vec<String> {
    let mut read = |path: &str| {
        let path = format!("/{path}");
        let there = guest.kind(&path).expect("a look").is_some();
        there.then(|| String::from_utf8_lossy(&guest.read(&path, 1 << 16).expect("a small file")).into_owned())
    };
    let mut told = Vec::new();
    for (list, gone) in [(LEFTOVERS, set != Set::Off), (WANTED_BY_SOME, set == Set::On)] {
        for path in list.iter().flat_map(|(_, paths)| *paths) {
            let wanted = match gone {
                false => Some("of one machine\n"),
                true if EMPTIED.contains(path) => Some(""),
                true => None,
            };
            let found = read(path);
            // The home directory goes with its account.
            if found.as_deref() != wanted {
                told.push(format!("{path}: {found:?} instead of {wanted:?}"));
            }
        }
    }
    for (path, content) in STAYS {
        let wanted = (set != Set::On || !path.starts_with("home/other/")).then_some(*content);
        let found = read(path);
        if found.as_deref() != wanted {
            told.push(format!("{path}: {found:?} instead of {wanted:?}"));
        }
    }
    for (path, before, after) in EDITED {
        let wanted = match set {
            Set::Off => Some(*before),
            Set::On if *path == NAMED_PROFILE => None,
            Set::Default | Set::On => Some(*after),
        };
        let found = read(path);
        if found.as_deref() != wanted {
            told.push(format!("{path}: {found:?} instead of {wanted:?}"));
        }
    }
    let accounts = read("etc/passwd").expect("accounts");
    if accounts.contains("\nother:") == (set == Set::On) {
        told.push(format!("accounts: {accounts}"));
    }
    for directory in DIRECTORIES {
        if guest.kind(directory).expect("a look") != Some(goldsmith::guest::FileKind::Directory) {
            told.push(format!("{directory} is no directory"));
        }
    }
    told
}
