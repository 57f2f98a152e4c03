//! What programs leave that tells one machine from others, and for which only the element `sysprep` has a check.

use super::super::hand::Deed::Write;
use super::Row;

/// Makes a row of one file that one check of the element is against.
macro_rules! leftover {
    ($check:literal, $path:literal, $content:literal) => {
        leftover!($check, $path, $content, $path)
    };
    ($check:literal, $path:literal, $content:literal, $seen:expr) => {
        Row { id: $check, deeds: &[Write($path, $content)], seen: $seen, also: &[] }
    };
}

pub(super) const ROWS: &[Row] = &[
    Row {
        id: "sysprep/11",
        deeds: &[Write("/etc/dropbear/dropbear_ed25519_host_key", "as dropbearkey makes it")],
        seen: "/etc/dropbear/dropbear_ed25519_host_key",
        also: &["no-host-keys"],
    },
    leftover!("sysprep/12", "/root/initial-setup-ks.cfg", "rootpw --iscrypted $6$salt$hash\n"),
    leftover!("sysprep/13", "/etc/ssh/sshd_config~", "PermitRootLogin yes\n"),
    leftover!("sysprep/14", "/var/crash/vmcore", "memory of the machine"),
    leftover!("sysprep/15", "/var/spool/cron/crontabs/root", "@daily /root/backup\n"),
    leftover!("sysprep/16", "/etc/lvm/devices/system.devices", "HOSTNAME=build-7\n"),
    leftover!(
        "sysprep/17",
        "/etc/nvme/hostnqn",
        "nqn.2014-08.org.nvmexpress:uuid:01234567-89ab-cdef-0123-456789abcdef\n"
    ),
    leftover!("sysprep/18", "/etc/iscsi/initiatorname.iscsi", "InitiatorName=iqn.1993-08.org.debian:01:0123456789ab\n"),
    leftover!(
        "sysprep/19",
        "/etc/sysconfig/network-scripts/ifcfg-eth2",
        "DEVICE=eth2\nBOOTPROTO=dhcp\nDHCP_HOSTNAME=build-7\n",
        "ifcfg-eth2: DHCP_HOSTNAME=build-7"
    ),
    leftover!(
        "sysprep/20",
        "/etc/NetworkManager/system-connections/office.nmconnection",
        "[ipv4]\ndhcp-hostname=build-7\n",
        "dhcp-hostname=build-7"
    ),
    leftover!("sysprep/21", "/var/lib/dhcpd/dhcpd.leases", "lease 192.0.2.7 {\n}\n"),
    leftover!("sysprep/22", "/var/account/pacct", "as the kernel writes it"),
    leftover!("sysprep/23", "/var/lib/fprint/someone", "as fprintd enrols a finger"),
    leftover!("sysprep/24", "/etc/security/opasswd", "root:0:1:$6$salt$hash\n"),
    leftover!("sysprep/25", "/etc/krb5.keytab", "as ktutil writes it"),
    leftover!("sysprep/26", "/etc/ipa/default.conf", "[global]\nhost = build-7.example\n"),
    leftover!("sysprep/27", "/var/lib/sss/db/cache_example.ldb", "as sssd writes it"),
    leftover!("sysprep/28", "/var/lib/samba/private/secrets.tdb", "as smbd writes it"),
    leftover!("sysprep/29", "/var/lib/dovecot/instances", "1700000000 dovecot /run/dovecot\n"),
    leftover!("sysprep/30", "/etc/puppetlabs/puppet/ssl/certs/build-7.pem", "as puppet fetches it"),
    leftover!("sysprep/31", "/etc/pki/consumer/cert.pem", "as subscription-manager fetches it"),
    leftover!("sysprep/32", "/var/lib/ubuntu-advantage/private/machine-token.json", "{}\n"),
    leftover!("sysprep/33", "/var/lib/dnf/repos/main-0123456789abcdef/countme", "1700000000 0 1 7\n"),
];
