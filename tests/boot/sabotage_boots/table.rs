//! How each booted rule is broken: by a script that is run in the image, with the image's own programs.

/// Images that are made bad, each in ways that do not hide each other.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Group {
    /// It lets its user in, and lives through a reboot.
    Lives,
    /// It lets its user in, who is nobody, and its console is silent.
    Silent,
    /// It lets nobody in, and does not start with Secure Boot.
    Dead,
}

/// A way to break a rule.
pub(crate) struct Sabotage {
    pub(crate) rule: &'static str,
    pub(crate) group: Group,
    /// Run by `sh -eu` with the image as its root.
    pub(crate) script: &'static str,
    /// Rules that are broken with it.
    pub(crate) also: &'static [&'static str],
}

/// Rules that no image breaks and comes so far that it is told, and why. Their judgement has tests of its own.
pub(crate) const EXCEPTIONS: [(&str, &str); 2] = [
    ("virtio-in-use", "the machine has no other disk and card: without the driver it does not boot, or has no network"),
    ("image-unchanged", "instances write to overlays; only what else runs on the host can change the file"),
];

/// For all scripts: `unit NAME WANTED-BY COMMAND` makes a service that starts at boot.
pub(crate) const PRELUDE: &str = r#"
bad=/etc/cloud/cloud.cfg.d/99-bad.cfg
unit() {
  {
    printf '[Unit]\nDefaultDependencies=no\nAfter=systemd-remount-fs.service\nBefore=%s\n' "$2"
    printf '[Service]\nType=oneshot\nRemainAfterExit=yes\nExecStart=/bin/sh -c "%s"\n' "$3"
  } >"/etc/systemd/system/$1.service"
  mkdir -p "/etc/systemd/system/$2.wants"
  ln -s "/etc/systemd/system/$1.service" "/etc/systemd/system/$2.wants/$1.service"
}
mask() { ln -sf /dev/null "/etc/systemd/system/$1"; }
"#;

/// Sets the policy of the chain FORWARD of iptables to DROP, as `iptables -P` does: by linux/netfilter_ipv4/ip_tables.h.
const FIREWALL: &str = r#"
cat >/usr/local/sbin/wall <<'EOF'
import ctypes, socket, struct
libc = ctypes.CDLL(None, use_errno=True)
sock = socket.socket(socket.AF_INET, socket.SOCK_RAW, socket.IPPROTO_RAW)
INFO, ENTRIES, REPLACE = 64, 65, 64
def ask(option, size):
    buffer = ctypes.create_string_buffer(b"filter".ljust(32, b"\0") + size[0], size[1])
    length = ctypes.c_uint32(size[1])
    if libc.getsockopt(sock.fileno(), 0, option, buffer, ctypes.byref(length)):
        raise OSError(ctypes.get_errno(), "getsockopt")
    return buffer.raw
info = struct.unpack("32s I 5I 5I I I", ask(INFO, (b"", 84)))
name, hooks, entry, underflow, count, size = info[0], info[1], info[2:7], info[7:12], info[12], info[13]
entries = bytearray(ask(ENTRIES, (struct.pack("I", size), 40 + size))[40:])
# NF_INET_FORWARD is 2; an entry is 112 bytes, the head of its target 32; a verdict is -1 - NF_DROP, which is 0.
struct.pack_into("i", entries, underflow[2] + 112 + 32, -1)
counters = ctypes.create_string_buffer(16 * count)
head = struct.pack("32s I I I 5I 5I I P", name, hooks, count, size, *entry, *underflow, count, ctypes.addressof(counters))
table = head + bytes(entries)
if libc.setsockopt(sock.fileno(), 0, REPLACE, table, len(table)):
    raise OSError(ctypes.get_errno(), "setsockopt")
EOF
unit wall multi-user.target 'modprobe iptable_filter && python3 /usr/local/sbin/wall'
sed -i '/^DefaultDependencies/d' /etc/systemd/system/wall.service
"#;

/// Whoever holds the key of the config drive gets in, though cloud-init is told nothing.
const KEY_BY_HAND: &str = r#"
printf 'datasource_list: [ None ]\nnetwork: { config: disabled }\n' >>$bad
printf 'AuthorizedKeysFile /run/key\n' >/etc/ssh/sshd_config.d/01-bad.conf
cat >/usr/local/sbin/take-key <<'EOF'
mount -o ro /dev/disk/by-label/config-2 /mnt
grep -o 'ssh-[a-z0-9]* [A-Za-z0-9+/=]*' /mnt/openstack/latest/meta_data.json | head -n 1 >/run/key
EOF
unit take-key ssh.service 'sh /usr/local/sbin/take-key'
sed -i '/^DefaultDependencies/d' /etc/systemd/system/take-key.service
"#;

const fn lives(rule: &'static str, script: &'static str) -> Sabotage {
    Sabotage { rule, group: Group::Lives, script, also: &[] }
}

const fn silent(rule: &'static str, script: &'static str) -> Sabotage {
    Sabotage { rule, group: Group::Silent, script, also: &[] }
}

const fn dead(rule: &'static str, script: &'static str) -> Sabotage {
    Sabotage { rule, group: Group::Dead, script, also: &[] }
}

/// One for each rule at least.
pub(crate) const SABOTAGES: &[Sabotage] = &[
    lives("no-password-login", "echo 'PasswordAuthentication yes' >/etc/ssh/sshd_config.d/01-bad.conf"),
    lives("hostname-from-metadata", "echo 'preserve_hostname: true' >>$bad"),
    lives("user-data-script", "sed -i '/scripts.user/d' /etc/cloud/cloud.cfg"),
    lives("user-data-cloud-config", "sed -i '/write.files/d' /etc/cloud/cloud.cfg"),
    // A module that nobody has.
    lives("first-boot-clean", r"sed -i 's/^\( *\)- final.message/\1- no-such-module\n&/' /etc/cloud/cloud.cfg"),
    lives("root-fills-disk", r#"printf 'growpart: { mode: "off" }\nresize_rootfs: false\n' >>$bad"#),
    lives(
        "second-network-card",
        r#"echo 'SUBSYSTEM=="net", ACTION=="add", ATTR{address}=="52:54:00:67:01:01", NAME="lan0"' \
          >/etc/udev/rules.d/70-persistent-net.rules"#,
    ),
    lives("no-failed-unit", "unit broken multi-user.target false"),
    lives("clock", "unit tomorrow sysinit.target 'date -s +1hour'"),
    lives("time-sync", "mask systemd-timesyncd.service"),
    lives("no-firewall-rules", FIREWALL),
    lives(
        "no-undeclared-service",
        r"printf '[Socket]\nListenStream=8080\n' >/etc/systemd/system/stray.socket
        printf '[Service]\nExecStart=/bin/true\n' >/etc/systemd/system/stray.service
        mkdir -p /etc/systemd/system/sockets.target.wants
        ln -s /etc/systemd/system/stray.socket /etc/systemd/system/sockets.target.wants/stray.socket",
    ),
    lives("guest-agent-answers", "mask qemu-guest-agent.service"),
    // What waits for the power button's two minutes to pass would be seen too, but later.
    lives(
        "powers-off",
        r"mkdir -p /etc/systemd/logind.conf.d
        printf '[Login]\nHandlePowerKey=reboot\n' >/etc/systemd/logind.conf.d/bad.conf",
    ),
    lives("reboots", "unit once multi-user.target '[ ! -e /var/lib/once ] && touch /var/lib/once'"),
    lives(
        "identity-stays",
        "unit other multi-user.target 'if [ -e /var/lib/other ]; then \
         tr -d - </proc/sys/kernel/random/uuid >/etc/machine-id; fi; touch /var/lib/other'",
    ),
    lives(
        "instances-differ",
        r"echo 'ssh_deletekeys: false' >>$bad
        ssh-keygen -q -t ed25519 -N '' -f /etc/ssh/ssh_host_ed25519_key",
    ),
    // What elements promise: see `CHECKS`.
    lives("web/1", ""),
    lives("web/2", ""),
    lives("web/3", ""),
    Sabotage {
        // Nothing tells it what `lives` does not let cloud-init do.
        also: &["hostname-from-metadata", "user-data-script", "user-data-cloud-config", "first-boot-clean"],
        ..silent("metadata-source", KEY_BY_HAND)
    },
    // Nor may that user reboot.
    Sabotage {
        also: &["reboots"],
        ..silent("user-is-root", "sed -i 's/^\\( *sudo:\\).*/\\1 null/' /etc/cloud/cloud.cfg.d/90-image.cfg")
    },
    silent("console-kernel-log", "sed -i 's/ console=ttyS0[^ ]*//' /boot/grub/grub.cfg"),
    silent("console-login", "mask serial-getty@ttyS0.service"),
    // Its end is told there.
    silent("boot-time", ""),
    silent(
        "network-by-dhcp",
        r"rm /etc/systemd/network/90-dhcp.network
        printf '[Match]\nType=ether\n[Network]\nAddress=172.16.0.15/5\nGateway=172.16.0.2\n' >/etc/systemd/network/50-bad.network",
    ),
    silent("dns-answers", "rm /etc/resolv.conf; : >/etc/resolv.conf"),
    dead("key-logs-in", "echo 'AuthorizedKeysFile none' >/etc/ssh/sshd_config.d/01-bad.conf"),
    // A byte in the middle of what is signed.
    dead(
        "secure-boot-on",
        "f=/boot/efi/EFI/BOOT/BOOTX64.EFI
        printf X | dd of=$f bs=1 seek=$(($(stat -c %s $f) / 2)) conv=notrunc status=none",
    ),
    dead("boots", ""),
];
