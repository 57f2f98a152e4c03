//! What is left of a machine, or of a build.

use super::super::hand::Deed::{Link, Mode, Remove, Write};
use super::Row;

const ID: &str = "0123456789abcdef0123456789abcdef\n";
const PRIVATE: &str =
    "-----BEGIN OPENSSH PRIVATE KEY-----\nb3BlbnNzaC1rZXktdjEAAAAA\n-----END OPENSSH PRIVATE KEY-----\n";

pub(super) const ROWS: &[Row] = &[
    Row { id: "machine-id", deeds: &[Write("/etc/machine-id", ID)], seen: "0123456789abcdef", also: &["sysprep/1"] },
    Row {
        id: "dbus-machine-id",
        deeds: &[Write("/var/lib/dbus/machine-id", ID)],
        seen: "/var/lib/dbus/machine-id: 0123456789abcdef",
        also: &["sysprep/2"],
    },
    // `dpkg-reconfigure openssh-server` makes all three.
    Row {
        id: "no-host-keys",
        deeds: &[
            Write("/etc/ssh/ssh_host_rsa_key", PRIVATE),
            Write("/etc/ssh/ssh_host_ecdsa_key", PRIVATE),
            Write("/etc/ssh/ssh_host_ed25519_key", PRIVATE),
        ],
        seen: "/etc/ssh/ssh_host_ed25519_key",
        also: &["sshd/4", "sshd/5", "sshd/6", "sysprep/3", "sysprep/4"],
    },
    Row {
        id: "no-private-keys",
        deeds: &[Write("/root/.ssh/id_ed25519", PRIVATE)],
        seen: "/root/.ssh/id_ed25519",
        also: &[],
    },
    // What the package ssl-cert makes when it is installed.
    Row {
        id: "no-private-keys",
        deeds: &[Write(
            "/etc/ssl/private/ssl-cert-snakeoil.key",
            "-----BEGIN PRIVATE KEY-----\nMIIEvQIBADAN\n-----END PRIVATE KEY-----\n",
        )],
        seen: "/etc/ssl/private/ssl-cert-snakeoil.key",
        also: &[],
    },
    Row {
        id: "no-account-backups",
        deeds: &[Write("/etc/shadow-", "root:$y$j9T$7kVFyU5m0s$Zr1qk2pQ0b1x2y3z4A5B6C7D8E9F0G1H:20000:0:99999:7:::\n")],
        seen: "/etc/shadow-: the password of root",
        also: &[],
    },
    Row {
        id: "no-random-seed",
        deeds: &[Write("/var/lib/systemd/random-seed", "as systemd-random-seed saves it")],
        seen: "/var/lib/systemd/random-seed",
        also: &["sysprep/5"],
    },
    Row {
        id: "no-random-seed",
        deeds: &[Write("/var/lib/systemd/credential.secret", "as systemd-creds makes it")],
        seen: "/var/lib/systemd/credential.secret",
        also: &[],
    },
    // It was booted once.
    Row {
        id: "no-cloud-init-state",
        deeds: &[
            Write("/var/lib/cloud/instances/i-00000001/boot-finished", "0.00 - up 41 s\n"),
            Link("/var/lib/cloud/instance", "/var/lib/cloud/instances/i-00000001"),
        ],
        seen: "/var/lib/cloud/instances/i-00000001",
        also: &["cloud-init/4", "sysprep/6"],
    },
    Row {
        id: "world-writable",
        deeds: &[Mode("/etc/services", 0o666, 0o644)],
        seen: "/etc/services: mode 0666",
        also: &[],
    },
    Row { id: "world-writable", deeds: &[Mode("/opt", 0o777, 0o755)], seen: "/opt: mode 0777", also: &[] },
    Row {
        id: "stray-setuid",
        deeds: &[Write("/usr/local/bin/helper", "#!/bin/sh\n"), Mode("/usr/local/bin/helper", 0o4755, 0o755)],
        seen: "/usr/local/bin/helper: mode 4755",
        also: &[],
    },
    Row {
        id: "no-logs",
        deeds: &[Write("/var/log/dpkg.log", "2026-01-01 00:00:00 startup archives unpack\n")],
        seen: "/var/log/dpkg.log",
        also: &["sysprep/7"],
    },
    Row {
        id: "no-package-caches",
        deeds: &[Write("/var/cache/apt/pkgcache.bin", "as apt makes it")],
        seen: "/var/cache/apt: 15 B",
        also: &["sysprep/8"],
    },
    Row {
        id: "no-package-caches",
        deeds: &[Write("/var/lib/apt/lists/mirror_debian_dists_bookworm_InRelease", "signed")],
        seen: "/var/lib/apt/lists: 6 B",
        also: &[],
    },
    Row {
        id: "no-histories",
        deeds: &[Write("/root/.bash_history", "mysql -psecret\n")],
        seen: "/root/.bash_history",
        also: &["sysprep/9"],
    },
    Row {
        id: "no-leases",
        deeds: &[Write("/var/lib/dhcp/dhclient.eth0.leases", "lease {\n}\n")],
        seen: "/var/lib/dhcp/dhclient.eth0.leases",
        also: &[],
    },
    Row {
        id: "no-resolver",
        deeds: &[Write("/etc/resolv.conf", "# of the build\nnameserver 10.0.2.3\n")],
        seen: "/etc/resolv.conf: nameserver 10.0.2.3",
        also: &[],
    },
    Row {
        id: "no-leftovers",
        deeds: &[Write("/usr/sbin/policy-rc.d", "#!/bin/sh\nexit 101\n")],
        seen: "/usr/sbin/policy-rc.d",
        also: &[],
    },
    Row {
        id: "no-leftovers",
        deeds: &[Write("/etc/apt/apt.conf.d/01proxy", "Acquire::http::Proxy \"http://10.0.0.1:3142\";\n")],
        seen: "/etc/apt/apt.conf.d/01proxy",
        also: &[],
    },
    Row {
        id: "no-leftovers",
        deeds: &[Write("/etc/environment", "http_proxy=http://10.0.0.1:3128\n")],
        seen: "/etc/environment: http_proxy",
        also: &[],
    },
    Row {
        id: "no-temporary-files",
        deeds: &[Write("/tmp/packer-shell042", "#!/bin/sh\n")],
        seen: "/tmp/packer-shell042",
        also: &[],
    },
    Row { id: "hostname", deeds: &[Write("/etc/hostname", "build-7\n")], seen: "/etc/hostname: build-7", also: &[] },
    Row {
        id: "time-zone",
        deeds: &[Link("/etc/localtime", "/usr/share/zoneinfo/Europe/Berlin")],
        seen: "Europe/Berlin",
        also: &[],
    },
    Row { id: "base-system/1", deeds: &[Remove("/sbin/init")], seen: "/sbin/init: there is nothing", also: &[] },
    Row { id: "base-system/2", deeds: &[Remove("/etc/hosts")], seen: "/etc/hosts: there is nothing", also: &[] },
];
