//! Network cards, addresses, firewalls.

use super::super::hand::Deed::{Link, Remove, Replace, Write};
use super::Row;

const PERSISTENT: &str = "SUBSYSTEM==\"net\", ACTION==\"add\", ATTR{address}==\"52:54:00:12:34:56\", NAME=\"eth0\"\n";
const GENERATOR: &str = "ACTION!=\"add\", GOTO=\"persistent_net_generator_end\"\n";
const DHCP: &str = "/etc/systemd/network/90-dhcp.network";

/// A firewall that is enabled as systemctl does it.
macro_rules! firewall {
    ($name:literal, $check:literal) => {
        Row {
            id: "no-firewall",
            deeds: &[
                Write(concat!("/lib/systemd/system/", $name), "[Install]\nWantedBy=multi-user.target\n"),
                Link(
                    concat!("/etc/systemd/system/multi-user.target.wants/", $name),
                    concat!("/lib/systemd/system/", $name),
                ),
            ],
            seen: concat!($name, " starts at boot"),
            also: &[$check],
        }
    };
}

pub(super) const ROWS: &[Row] = &[
    Row {
        id: "no-mac-in-udev",
        deeds: &[Write("/etc/udev/rules.d/70-persistent-net.rules", PERSISTENT)],
        seen: "52:54:00:12:34:56",
        also: &["net-rules/1"],
    },
    Row {
        id: "no-mac-in-udev",
        deeds: &[
            Write("/lib/udev/rules.d/75-persistent-net-generator.rules", GENERATOR),
            Remove("/etc/udev/rules.d/75-persistent-net-generator.rules"),
        ],
        seen: "75-persistent-net-generator.rules: ACTION",
        also: &["net-rules/2", "net-rules/3"],
    },
    Row {
        id: "no-mac-in-config",
        deeds: &[Write(
            "/etc/systemd/network/10-eth0.network",
            "[Match]\nMACAddress=52:54:00:12:34:56\n[Network]\nDHCP=yes\n",
        )],
        seen: "10-eth0.network: MACAddress=52:54:00:12:34:56",
        also: &["net-rules/6"],
    },
    Row {
        id: "no-mac-in-config",
        deeds: &[Write(
            "/etc/netplan/50-cloud-init.yaml",
            "network:\n  ethernets:\n    eth0:\n      dhcp4: true\n      match:\n        macaddress: 52:54:00:12:34:56\n",
        )],
        seen: "50-cloud-init.yaml: macaddress: 52:54:00:12:34:56",
        also: &["net-rules/5"],
    },
    Row {
        id: "no-mac-in-config",
        deeds: &[Write(
            "/etc/NetworkManager/system-connections/wired.nmconnection",
            "[ethernet]\nmac-address=52:54:00:12:34:56\n",
        )],
        seen: "wired.nmconnection: mac-address=52:54:00:12:34:56",
        also: &["net-rules/4"],
    },
    Row {
        id: "no-mac-in-config",
        deeds: &[Write(
            "/etc/sysconfig/network-scripts/ifcfg-eth0",
            "DEVICE=eth0\nBOOTPROTO=dhcp\nHWADDR=52:54:00:12:34:56\n",
        )],
        seen: "ifcfg-eth0: HWADDR=52:54:00:12:34:56",
        also: &[],
    },
    // As the installer of Ubuntu leaves it.
    Row {
        id: "no-mac-in-config",
        deeds: &[Write(
            "/etc/cloud/cloud.cfg.d/50-curtin-networking.cfg",
            "network:\n  ethernets:\n    ens3:\n      dhcp4: true\n      match:\n        macaddress: 52:54:00:12:34:56\n",
        )],
        seen: "50-curtin-networking.cfg: macaddress: 52:54:00:12:34:56",
        also: &[],
    },
    Row {
        id: "no-ifcfg-uuid",
        deeds: &[Write(
            "/etc/sysconfig/network-scripts/ifcfg-eth1",
            "DEVICE=eth1\nBOOTPROTO=dhcp\nUUID=5fb06bd0-0bb0-7ffb-45f1-d6edd65f3e03\n",
        )],
        seen: "ifcfg-eth1: UUID=5fb06bd0",
        also: &[],
    },
    Row {
        id: "no-static-address",
        deeds: &[Write(
            "/etc/network/interfaces",
            "auto eth0\niface eth0 inet static\n  address 192.0.2.7/24\n  gateway 192.0.2.1\n",
        )],
        seen: "/etc/network/interfaces: address 192.0.2.7/24",
        also: &[],
    },
    Row {
        id: "no-static-address",
        deeds: &[Replace(DHCP, "DHCP=yes", "DHCP=yes\nAddress=192.0.2.7/24")],
        seen: "90-dhcp.network: Address=192.0.2.7/24",
        also: &[],
    },
    Row {
        id: "dhcp",
        deeds: &[
            Replace(DHCP, "DHCP=yes", "DHCP=no"),
            Write("/etc/cloud/cloud.cfg.d/99-no-network.cfg", "network: {config: disabled}\n"),
        ],
        seen: "systemd-networkd starts at boot, and nothing has it use DHCP",
        also: &["dhcp-network/3"],
    },
    Row {
        id: "dhcp",
        deeds: &[Remove("/etc/systemd/system/multi-user.target.wants/systemd-networkd.service")],
        seen: "nothing that configures cards starts at boot",
        also: &["dhcp-network/1"],
    },
    Row {
        id: "no-firewall",
        deeds: &[
            Write("/lib/systemd/system/ufw.service", "[Install]\nWantedBy=multi-user.target\n"),
            Write("/etc/ufw/ufw.conf", "ENABLED=yes\nLOGLEVEL=low\n"),
            Link("/etc/systemd/system/multi-user.target.wants/ufw.service", "/lib/systemd/system/ufw.service"),
        ],
        seen: "ufw.service starts at boot",
        also: &["no-firewall/1"],
    },
    firewall!("firewalld.service", "no-firewall/2"),
    firewall!("nftables.service", "no-firewall/3"),
    firewall!("iptables.service", "no-firewall/4"),
    firewall!("ip6tables.service", "no-firewall/5"),
    firewall!("netfilter-persistent.service", "no-firewall/6"),
    Row {
        id: "dhcp-network/2",
        deeds: &[Remove("/etc/systemd/system/sysinit.target.wants/systemd-resolved.service")],
        seen: "systemd-resolved.service: it is there and does not start",
        also: &[],
    },
];
