//! Accounts, keys, cloud-init.

use super::super::hand::Deed::{Append, Link, Remove, Replace, Write};
use super::Row;

const KEY: &str = "ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAIBm2ZBZ1mPZ2hBQ5sEJ0Gq0a9CkDZ6c9bBq0mYbB9k2a builder\n";
const IMAGE_CFG: &str = "/etc/cloud/cloud.cfg.d/90-image.cfg";
const SSHD: &str = "/etc/ssh/sshd_config.d/60-image.conf";

pub(super) const ROWS: &[Row] = &[
    Row {
        id: "sshd",
        deeds: &[Remove("/etc/systemd/system/multi-user.target.wants/ssh.service")],
        seen: "none of its units starts at boot",
        also: &["sshd/1"],
    },
    Row {
        id: "sshd",
        deeds: &[Write("/etc/ssh/sshd_not_to_be_run", "")],
        seen: "/etc/ssh/sshd_not_to_be_run is there",
        also: &[],
    },
    Row { id: "sshd", deeds: &[Remove("/usr/sbin/sshd")], seen: "no SSH server is installed", also: &[] },
    Row {
        id: "key-injection",
        deeds: &[Remove("/usr/bin/cloud-init")],
        seen: "neither cloud-init nor another agent",
        also: &[],
    },
    Row {
        id: "key-injection",
        deeds: &[Remove("/usr/bin/cloud-init"), Write("/usr/local/sbin/metadata-ssh-key", "#!/bin/sh\n")],
        seen: "metadata-ssh-key.service does not start at boot",
        also: &[],
    },
    Row {
        id: "root-grows",
        deeds: &[Write("/etc/cloud/cloud-init.disabled", ""), Write("/usr/local/sbin/growroot", "#!/bin/sh\n")],
        seen: "growroot.service does not start at boot",
        also: &["cloud-init-enabled", "cloud-init/3"],
    },
    Row {
        id: "cloud-init-enabled",
        deeds: &[Write("/etc/cloud/cloud-init.disabled", "")],
        seen: "/etc/cloud/cloud-init.disabled is there",
        also: &["cloud-init/3", "root-grows"],
    },
    Row {
        id: "cloud-init-enabled",
        deeds: &[Link("/etc/systemd/system/cloud-final.service", "/dev/null")],
        seen: "cloud-final.service does not start",
        also: &[],
    },
    Row {
        id: "cloud-init-enabled",
        deeds: &[Remove("/etc/systemd/system/cloud-init.target.wants/cloud-init-local.service")],
        seen: "cloud-init-local.service does not start",
        also: &["cloud-init/5"],
    },
    Row {
        id: "cloud-init-enabled",
        deeds: &[Write("/etc/cloud/ds-identify.cfg", "policy: disabled\n")],
        seen: "ds-identify.cfg: policy: disabled",
        also: &[],
    },
    Row {
        id: "datasources",
        deeds: &[Replace(IMAGE_CFG, "[ ConfigDrive, OpenStack, NoCloud, None ]", "[ Ec2, None ]")],
        seen: "it looks for Ec2, None only",
        also: &["cloud-init/2"],
    },
    Row {
        id: "cloud-init/1",
        deeds: &[Replace(
            "/var/lib/dpkg/status",
            "Package: cloud-init\nStatus: install ok installed",
            "Package: cloud-init\nStatus: deinstall ok config-files",
        )],
        seen: "cloud-init: it is not among the packages",
        also: &[],
    },
    Row {
        id: "qemu-guest-agent/1",
        deeds: &[Replace(
            "/var/lib/dpkg/status",
            "Package: qemu-guest-agent\nStatus: install ok installed",
            "Package: qemu-guest-agent\nStatus: deinstall ok config-files",
        )],
        seen: "qemu-guest-agent: it is not among the packages",
        also: &[],
    },
    Row {
        id: "qemu-guest-agent/2",
        deeds: &[Remove("/usr/sbin/qemu-ga")],
        seen: "/usr/sbin/qemu-ga: there is nothing",
        also: &[],
    },
    // `chpasswd` while it was built.
    Row {
        id: "no-passwords",
        deeds: &[Replace(
            "/etc/shadow",
            "root:*:",
            "root:$y$j9T$7kVFyU5m0s$Zr1qk2pQ0b1x2y3z4A5B6C7D8E9F0G1H2I3J4K5L6M7:",
        )],
        seen: "root: it has a password",
        also: &["base-system/3"],
    },
    Row {
        id: "no-passwords",
        deeds: &[Append("/etc/passwd", "open::999:999::/srv:/bin/sh")],
        seen: "open: it needs no password",
        also: &["no-other-accounts"],
    },
    Row {
        id: "no-passwords",
        deeds: &[Write(
            "/etc/cloud/cloud.cfg.d/99-login.cfg",
            "#cloud-config\npassword: changeme\nchpasswd: { expire: false }\n",
        )],
        seen: "99-login.cfg: password: ...",
        also: &[],
    },
    Row {
        id: "no-authorized-keys",
        deeds: &[Write(
            "/etc/cloud/cloud.cfg.d/99-keys.cfg",
            "ssh_authorized_keys:\n  - ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAIBm2ZBZ1 builder\n",
        )],
        seen: "99-keys.cfg: ssh_authorized_keys:",
        also: &[],
    },
    Row {
        id: "no-authorized-keys",
        deeds: &[Write("/root/.ssh/authorized_keys", KEY)],
        seen: "/root/.ssh/authorized_keys",
        also: &[],
    },
    Row {
        id: "only-root-is-root",
        deeds: &[Append("/etc/passwd", "toor:x:0:0::/home/toor:/bin/bash")],
        seen: "toor: its number is 0",
        also: &[],
    },
    Row {
        id: "no-other-accounts",
        deeds: &[
            Append("/etc/passwd", "packer:x:1000:1000::/home/packer:/bin/bash"),
            Append("/etc/shadow", "packer:!:20000::::::"),
        ],
        seen: "packer: number 1000, shell /bin/bash",
        also: &[],
    },
    Row {
        id: "no-free-sudo",
        deeds: &[
            Append("/etc/passwd", "ansible:x:998:998::/var/lib/ansible:/bin/bash"),
            Write("/etc/sudoers.d/ansible", "ansible ALL=(ALL) NOPASSWD: ALL\n"),
        ],
        seen: "ansible: sudo asks it for no password",
        also: &[],
    },
    Row {
        id: "ssh-passwords",
        deeds: &[Write("/etc/cloud/cloud.cfg.d/99-ssh.cfg", "ssh_pwauth: True\n")],
        seen: "99-ssh.cfg: ssh_pwauth: True",
        also: &[],
    },
    // What cloud-init writes for `ssh_pwauth: true` comes before the image's own.
    Row {
        id: "ssh-passwords",
        deeds: &[Write("/etc/ssh/sshd_config.d/50-cloud-init.conf", "PasswordAuthentication yes\n")],
        seen: "50-cloud-init.conf: PasswordAuthentication yes",
        also: &[],
    },
    Row {
        id: "ssh-passwords",
        deeds: &[Replace(SSHD, "PasswordAuthentication no", "PasswordAuthentication yes")],
        seen: "60-image.conf: PasswordAuthentication yes",
        also: &["sshd/3"],
    },
    Row {
        id: "ssh-passwords",
        deeds: &[Replace(SSHD, "PermitRootLogin prohibit-password", "PermitRootLogin yes")],
        seen: "60-image.conf: PermitRootLogin yes",
        also: &["sshd/2"],
    },
];
