//! Tests of rules on trees, and of all rules on a guest in memory.

use super::rules::judge;
use super::texts::lines_of;
use super::view::{View, view};
use super::*;
use crate::element::schema::{Check, FileMatches};
use crate::guest::Devices;
use crate::guest::fake::FakeWorld;
use crate::inspect::initramfs::tests::cpio;
use crate::inspect::tree::tests::tree;
use crate::verify::{Finding, Outcome, Stage};

pub(super) fn view_of(files: &[(&str, &str)]) -> View {
    view(tree(files), Devices::default(), "x86_64")
}

#[test]
fn every_rule_has_a_name_of_its_own_and_is_judged() {
    let found = judge(&View::default());
    let judged: Vec<_> = found.iter().map(|finding| finding.id.as_str()).collect();
    let named: Vec<_> = rules().map(|rule| rule.id).collect();
    assert_eq!(judged, named, "each function judges the rule that it is listed with");
    let unique: std::collections::BTreeSet<_> = named.iter().collect();
    assert_eq!(unique.len(), named.len());
    for rule in rules() {
        assert_eq!(rule.stage, Stage::Static, "{}", rule.id);
        assert!(
            !rule.sentence.ends_with('.') && rule.reason.ends_with('.') && !rule.mend.ends_with('.'),
            "{}",
            rule.id
        );
    }
}

/// Every element that an advice names exists.
#[test]
fn elements_that_mends_name_exist() {
    let named =
        regex::Regex::new(r"\belement `?([a-z-]+)|\belements `?([a-z-]+)`? and `?([a-z-]+)").expect("it compiles");
    let mut names = std::collections::BTreeSet::new();
    for rule in rules().chain(crate::verify::boot::rules()) {
        let found: Vec<_> = named.captures_iter(rule.mend).collect();
        assert_eq!(found.len(), rule.mend.matches("element").count(), "{}: which element?", rule.id);
        let groups = found.iter().flat_map(|found| found.iter().skip(1).flatten());
        names.extend(groups.map(|name| name.as_str().to_owned()));
    }
    assert!(names.len() > 8, "{names:?}");
    let library = std::path::Path::new(env!("CARGO_MANIFEST_DIR")).join("elements");
    for name in names {
        assert!(library.join(&name).join("element.yaml").is_file(), "there is no element `{name}`");
    }
}

/// What the kernel's log is kept off by is told by the hint, and the log is there once it is removed as the hint says.
#[test]
fn a_silent_kernel_is_told_to_speak() {
    let judged = |args: &str| {
        let config = format!("menuentry 'a' {{\n\tlinux /boot/vmlinuz-6 root=UUID=12-34 {args}\n}}\n");
        let view = view_of(&[("/boot/grub/grub.cfg", &config), ("/boot/vmlinuz-6", "x")]);
        boot::serial_console(&view)
    };
    const CONSOLE: &str = "console=tty0 console=ttyS0,115200n8";
    for (args, removed) in [
        ("quiet", Some("quiet")),
        ("loglevel=3", Some("loglevel=")),
        ("loglevel=7 quiet", Some("quiet")),
        ("quiet loglevel=7", None),
        ("debug", None),
        ("", None),
    ] {
        let found = judged(&format!("{CONSOLE} {args}"));
        let hint = removed.map(|name| format!("kernel-args: {{ remove: [{name}] }}"));
        assert_eq!(found.outcome == Outcome::Failed, removed.is_some(), "{args}: {found:?}");
        assert!(hint.is_none_or(|hint| found.mend.contains(&hint)), "{args}: {}", found.mend);
        let left = args.split(' ').filter(|arg| removed.is_none_or(|name| !arg.starts_with(name)));
        let left = left.collect::<Vec<_>>().join(" ");
        assert_eq!(judged(&format!("{CONSOLE} {left}")).outcome, Outcome::Passed, "{args}");
    }
    assert!(judged("quiet").mend.contains("serial-console"), "without the console that comes first");
}

#[test]
fn a_kernel_in_a_subvolume_is_found() {
    for path in ["/@/boot/vmlinuz-6", "/root/boot/vmlinuz-6", "/vmlinuz-6", "/boot/vmlinuz-6"] {
        assert_eq!(
            texts::boot_file(&tree(&[("/boot/vmlinuz-6", "x")]), path).as_deref(),
            Some("/boot/vmlinuz-6"),
            "{path}"
        );
    }
}

/// Files that break one rule, and the evidence.
#[test]
fn what_is_bad_is_found_by_its_rule() {
    let elsewhere = [("/etc/hostname", "localhost\n")];
    for (id, file, content, evidence) in [
        ("no-mac-in-udev", "/etc/udev/rules.d/70-persistent-net.rules", "ATTR{address}==\"52:54\"", "52:54"),
        ("no-mac-in-udev", "/usr/lib/udev/rules.d/75-persistent-net-generator.rules", "ACTION==\"x\"", "75-"),
        ("no-mac-in-config", "/etc/sysconfig/network-scripts/ifcfg-eth0", "HWADDR=52:54:00", "HWADDR"),
        ("no-mac-in-config", "/etc/NetworkManager/system-connections/a", "mac-address=52:54", "mac-address"),
        ("no-mac-in-config", "/etc/netplan/50.yaml", "  match:\n    macaddress: 52:54", "macaddress"),
        ("no-mac-in-config", "/etc/systemd/network/10.network", "[Match]\nMACAddress=52:54", "MACAddress"),
        ("no-mac-in-config", "/etc/network/interfaces", "hwaddress ether 52:54", "hwaddress"),
        ("no-static-address", "/etc/netplan/50.yaml", "addresses:\n - 10.0.0.2/24", "addresses"),
        ("no-static-address", "/etc/network/interfaces", "address 10.0.0.2", "10.0.0.2"),
        ("no-static-address", "/etc/sysconfig/network-scripts/ifcfg-eth0", "IPADDR=10.0.0.2", "IPADDR"),
        ("no-ifcfg-uuid", "/etc/sysconfig/network-scripts/ifcfg-eth0", "UUID=5fb06bd0", "UUID=5fb06bd0"),
        ("no-firewall", "/etc/systemd/system/multi-user.target.wants/nftables.service", "", "nftables"),
        ("no-swap", "/etc/fstab", "/swap none swap sw 0 0", "/etc/fstab: /swap"),
        ("no-swap", "/swap.img", "x", "/swap.img"),
        ("dhcp", "/etc/systemd/system/multi-user.target.wants/systemd-networkd.service", "", "systemd-networkd starts"),
        ("dhcp", "/etc/systemd/system/multi-user.target.wants/networking.service", "", "ifupdown starts"),
        ("dhcp", "/etc/rc3.d/S01network", "", "the network service starts"),
        ("dhcp", "/usr/lib/systemd/system-generators/netplan", "", "netplan starts"),
        ("no-other-accounts", "/etc/passwd", "vagrant:x:1000:1000::/:/bin/sh", "vagrant: number 1000, shell /bin/sh"),
        ("no-account-backups", "/etc/shadow-", "root:$y$j9T$abc:1::::::", "the password of root"),
        ("no-account-backups", "/var/backups/shadow.bak", "ada:$6$abc$d:1::::::", "the password of ada"),
        ("hostname", "/etc/hostname", "# mine\nbuild-7\n", "build-7"),
        ("time-zone", "/etc/localtime", "-> ../usr/share/zoneinfo/Europe/Rome", "Rome"),
        ("time-zone", "/etc/localtime", "TZif2\0\0\nCET-1CEST,M3.5.0\n", "CET-1CEST"),
        ("fstab-names", "/etc/fstab", "/dev/vda1 / ext4 defaults 0 1", "/dev/vda1 at /"),
        ("fstab-exists", "/etc/fstab", "UUID=12-34 /data ext4 defaults 0 1", "UUID=12-34 at /data"),
        ("no-passwords", "/etc/passwd", "a::1:1::/:/bin/sh", "a: it needs no password"),
        ("only-root-is-root", "/etc/passwd", "toor:x:0:0::/:/bin/sh", "toor"),
        ("no-authorized-keys", "/srv/x/.ssh/authorized_keys", "ssh-rsa AAAA", "/srv/x"),
        ("ssh-passwords", "/etc/ssh/sshd_config", "PermitRootLogin yes\nPasswordAuthentication no", "PermitRootLogin"),
        ("machine-id", "/etc/machine-id", "0123456789abcdef", "0123456789abcdef"),
        ("dbus-machine-id", "/var/lib/dbus/machine-id", "0123", "0123"),
        ("no-host-keys", "/etc/ssh/ssh_host_rsa_key", "x", "ssh_host_rsa_key"),
        ("no-private-keys", "/root/.ssh/id_work", "-----BEGIN OPENSSH PRIVATE KEY-----", "id_work"),
        ("no-random-seed", "/var/lib/systemd/random-seed", "x", "random-seed"),
        ("no-cloud-init-state", "/var/lib/cloud/instances/i-1/", "", "i-1"),
        ("world-writable", "666 /etc/shared", "x", "/etc/shared: mode 0666"),
        ("world-writable", "777 /srv/shared/", "", "/srv/shared: mode 0777"),
        ("stray-setuid", "4755 /opt/su", "x", "/opt/su: mode 4755"),
        ("no-logs", "/var/log/apt/term.log", "x", "term.log"),
        ("no-package-caches", "/var/lib/apt/lists/x_InRelease", "xyz", "3 B"),
        ("no-histories", "/root/.bash_history", "x", ".bash_history"),
        ("no-leases", "/var/lib/dhcp/dhclient.leases", "x", "dhclient"),
        ("no-resolver", "/etc/resolv.conf", "nameserver 10.0.2.3", "10.0.2.3"),
        ("no-leftovers", "/usr/sbin/policy-rc.d", "exit 101", "policy-rc.d"),
        ("no-temporary-files", "/var/tmp/.x", "", "/var/tmp/.x"),
        ("boot-names", "/boot/grub/grub.cfg", "menuentry x {\nlinux /k root=/dev/vda1\n}", "/dev/vda1"),
        (
            "boot-uuids",
            "/boot/efi/EFI/debian/grub.cfg",
            "search.fs_uuid 00000000-0000-4000-8000-000000000000 root",
            "00000000",
        ),
        ("root-grows", "/etc/growroot-disabled", "", "growroot-disabled"),
        ("root-grows", "/etc/cloud/cloud.cfg", "growpart: {mode: off}\n", "mode: off"),
        ("root-grows", "/etc/cloud/cloud.cfg", "resize_rootfs: false\n", "resize_rootfs: false"),
        ("fstab-names", "/etc/fstab", "/dev/disk/by-path/pci-0000 / ext4", "by-path"),
        ("no-swap", "/etc/systemd/system/swap.swap", "[Swap]", "swap.swap"),
        ("no-mac-in-config", "/etc/cloud/cloud.cfg.d/50-curtin.cfg", "match: x\nmacaddress: 52:54", "macaddress"),
        ("no-passwords", "/etc/cloud/cloud.cfg.d/9.cfg", "password: hunter2", "9.cfg: password: ..."),
        ("no-passwords", "/etc/cloud/cloud.cfg.d/9.cfg", "chpasswd:\n  list: |\n    root:x", "9.cfg: chpasswd"),
        ("no-authorized-keys", "/etc/cloud/cloud.cfg", "ssh_authorized_keys:\n - ssh-rsa A", "ssh_authorized_keys"),
        ("no-authorized-keys", "/etc/ssh/authorized_keys.d/root", "ssh-rsa AAAA", "authorized_keys.d/root"),
        ("no-private-keys", "/etc/ssl/private/snakeoil.key", "-----BEGIN PRIVATE KEY-----", "snakeoil.key"),
        ("no-leftovers", "/etc/environment", "http_proxy=http://10.0.0.1:3128", "http_proxy"),
        ("no-leftovers", "/etc/apt/apt.conf.d/99x", "Acquire::https::Proxy \"http://10.0.0.1:3142\";", "99x: Acquire"),
        ("no-leftovers", "/etc/dnf/dnf.conf", "[main]\nproxy=http://10.0.0.1", "proxy="),
        ("no-xen", "/usr/sbin/xe-daemon", "x", "/usr/sbin/xe-daemon"),
        ("no-xen", "/etc/initramfs-tools/modules", "# none\nxen-blkfront\n", "xen-blkfront"),
        ("no-xen", "/etc/dracut.conf.d/x.conf", "force_drivers+=\" xen-netfront \"", "xen-netfront"),
        ("no-xen", "/boot/grub/grub.cfg", "menuentry x {\nlinux /k console=tty0 console=hvc0\n}", "hvc0 is the last"),
    ] {
        let finding = |files: &[(&str, &str)]| judge_one(&view_of(files), id);
        let found = finding(&[(file, content)]);
        assert_eq!(found.outcome, Outcome::Failed, "{id}: {file}");
        assert!(found.evidence.iter().any(|line| line.contains(evidence)), "{id}: {:?}", found.evidence);
        // Without the file, the same image keeps the rule, or fails for another reason.
        let other = finding(&elsewhere);
        assert!(!other.evidence.iter().any(|line| line.contains(evidence)), "{id}: {:?}", other.evidence);
    }
}

#[test]
fn what_is_no_trouble_breaks_no_rule() {
    for (id, file, content) in [
        ("no-mac-in-udev", "/etc/udev/rules.d/70-persistent-net.rules", "# none\n"),
        ("no-mac-in-config", "/etc/NetworkManager/system-connections/a", "cloned-mac-address=random"),
        ("no-static-address", "/etc/network/interfaces", "iface lo inet loopback\naddress 127.0.0.1"),
        ("no-firewall", "/etc/systemd/system/multi-user.target.wants/ufw.service", ""),
        ("fstab-names", "/etc/fstab", "# /dev/vda1\nUUID=1-1 / ext4"),
        ("fstab-exists", "/etc/fstab", "UUID=12-34 /data ext4 nofail 0 1\ntmpfs /tmp tmpfs"),
        ("machine-id", "/etc/machine-id", "uninitialized\n"),
        ("dbus-machine-id", "/var/lib/dbus/machine-id", "-> /etc/machine-id"),
        ("world-writable", "1777 /tmp/", ""),
        ("stray-setuid", "4755 /usr/bin/su", "x"),
        ("no-resolver", "/etc/resolv.conf", "-> /run/x"),
        ("no-swap", "/etc/fstab", "UUID=1-1 / ext4"),
        ("no-other-accounts", "/etc/passwd", "git:x:1000:1:://usr/sbin/nologin\nroot:x:0:0::/root:/bin/sh"),
        ("no-account-backups", "/etc/shadow-", "root:*:1::::::\nada:!$6$x$y:1::::::"),
        ("hostname", "/etc/hostname", "localhost\n"),
        ("time-zone", "/etc/localtime", "-> /usr/share/zoneinfo/Etc/UTC"),
        ("time-zone", "/etc/localtime", "TZif2\0\0\nUTC0\n"),
        ("dhcp", "/etc/systemd/system/multi-user.target.wants/NetworkManager.service", ""),
        ("dhcp", "/etc/runlevels/default/dhcpcd", ""),
        ("no-leftovers", "/etc/sysconfig/proxy", "HTTP_PROXY=\"\"\nPROXY_ENABLED=no"),
        ("no-private-keys", "/etc/ssl/private/chain.pem", "-----BEGIN CERTIFICATE-----"),
        ("no-xen", "/etc/dracut.conf.d/x.conf", "add_drivers+=\" xen-netfront \""),
        ("no-xen", "/boot/grub/grub.cfg", "menuentry x {\nlinux /k console=hvc0 console=ttyS0\n}"),
        ("ssh-passwords", "/etc/ssh/sshd_config", "passwordauthentication no\nMatch all\nPasswordAuthentication yes"),
    ] {
        let found = judge_one(&view_of(&[(file, content)]), id);
        assert_eq!(found.outcome, Outcome::Passed, "{id}: {:?}", found.evidence);
    }
}

/// Drivers may be built in, in the initial RAM disk, or for a card in the root file system.
#[test]
fn drivers_are_found_wherever_they_are() {
    let initrd = |names: &[&str]| String::from_utf8(cpio(names)).expect("it is text");
    let all = initrd(&["lib/a/virtio_blk.ko", "lib/virtio_pci.ko.zst", "lib/virtio-scsi.ko.xz", "lib/sd_mod.ko"]);
    let entry = |args: &str| format!("menuentry x {{\nlinux /boot/vmlinuz-6 {args}\ninitrd /boot/initrd.img-6\n}}\n");
    let outcomes = |initrd: &str, others: &[(&str, &str)]| {
        let plain = entry("ro");
        let (grub, kernel) = (("/boot/grub/grub.cfg", &*plain), ("/boot/vmlinuz-6", "x"));
        let files = [&[grub, kernel, ("/boot/initrd.img-6", initrd)], others].concat();
        let view = view_of(&files);
        let found = [drivers::virtio_disk(&view), drivers::virtio_scsi(&view), drivers::virtio_net(&view)];
        let outcomes = found.each_ref().map(|finding| finding.outcome);
        (outcomes, found.map(|finding| finding.evidence.join("\n")).join("\n"))
    };
    use Outcome::{Failed, Passed, Skipped};
    let net = ("/usr/lib/modules/6/kernel/virtio_net.ko.xz", "x");
    assert_eq!(outcomes(&all, &[net]).0, [Passed; 3]);
    assert_eq!(outcomes(&all, &[]).0, [Passed, Passed, Failed]);
    let (found, told) = outcomes(&initrd(&["lib/virtio_pci.ko", "lib/virtio_blk.txt"]), &[net]);
    assert_eq!(found, [Failed, Failed, Passed]);
    assert!(told.contains("virtio_blk is neither in /boot/initrd.img-6 nor built into 6"), "{told}");
    let built_in = ("/lib/modules/6/modules.builtin", "kernel/virtio_blk.ko\nkernel/virtio-pci.ko\nx/virtio_net.ko\n");
    assert_eq!(outcomes(&initrd(&[]), &[built_in]).0, [Passed, Failed, Passed]);
    let (found, told) = outcomes("", &[("/boot/initrd.img-6", "070701"), net]);
    assert_eq!(found, [Failed, Failed, Passed]);
    assert!(told.contains("it is damaged"), "{told}");
    assert_eq!(outcomes("\u{2}\u{21}\u{4c}\u{18}", &[net]).0, [Skipped, Skipped, Passed]);
    for (path, text) in [
        ("/etc/modprobe.d/a.conf", "blacklist virtio-blk"),
        ("/usr/lib/modprobe.d/a.conf", "install virtio_blk /bin/true"),
        ("/boot/grub/grub.cfg", &*entry("modprobe.blacklist=x,virtio_blk")),
    ] {
        let (found, told) = outcomes(&all, &[net, (path, text)]);
        assert_eq!(found, [Failed, Passed, Passed], "{path}: {told}");
    }
    assert_eq!(judge_one(&View::default(), "virtio-disk").outcome, Skipped);
}

/// Distributions lay out the EFI system partition in two ways.
#[test]
fn shims_are_found_in_every_layout() {
    let esp = |name: &str| format!("/boot/efi/EFI/{name}");
    let claims = |files: &[(&str, &str)]| {
        let files: Vec<_> = files.iter().map(|(name, text)| (esp(name), *text)).collect();
        efi::has_shim(&view_of(&files.iter().map(|(path, text)| (&**path, *text)).collect::<Vec<_>>()))
    };
    let (shim, own) = (("BOOT/BOOTX64.EFI", "shim"), ("fedora/shimx64.efi", "shim"));
    assert!(claims(&[shim, own, ("BOOT/grubx64.efi", "grub")]), "as Debian has it");
    assert!(claims(&[shim, own, ("BOOT/fbx64.efi", "fb"), ("fedora/grubx64.efi", "grub")]), "as Fedora has it");
    assert!(!claims(&[shim, own, ("fedora/grubx64.efi", "grub")]), "nothing leads to GRUB");
    assert!(!claims(&[shim, own, ("BOOT/fbx64.efi", "fb")]), "there is no GRUB");
    assert!(!claims(&[("BOOT/BOOTX64.EFI", "grub itself"), own, ("BOOT/grubx64.efi", "grub")]), "it is no shim");
    assert!(!claims(&[shim, ("BOOT/grubx64.efi", "grub")]), "nothing tells that it is a shim");
}

pub(super) fn judge_one(view: &View, id: &str) -> Finding {
    judge(view).into_iter().find(|finding| finding.id == id).expect("the rule is there")
}

/// Each program that configures cards has its own notation for DHCP. cloud-init writes it if the image has none.
#[test]
fn dhcp_is_found_in_every_notation() {
    let starts = |name: &str| format!("/etc/systemd/system/multi-user.target.wants/{name}.service");
    let outcome = |files: &[(&str, &str)]| dhcp::dhcp(&view_of(files)).outcome;
    for (unit, path, good, bad) in [
        ("systemd-networkd", "/etc/systemd/network/a.network", "[Network]\nDHCP = ipv4\n", "DHCP=ipv6"),
        ("systemd-networkd", "/etc/systemd/network/a.network", "[Network]\nDHCP= \\\n# why\n Yes", "[Link]\nDHCP=yes"),
        ("networking", "/etc/network/interfaces.d/eth0", "iface eth0 inet dhcp", "iface eth0 inet static"),
        ("network", "/etc/sysconfig/network-scripts/ifcfg-eth0", "BOOTPROTO=\"dhcp\"", "BOOTPROTO=none"),
        ("wicked", "/etc/sysconfig/network/ifcfg-eth0", "BOOTPROTO='dhcp4'", "BOOTPROTO=static"),
        ("NetworkManager", "/etc/NetworkManager/conf.d/a.conf", "no-auto-default=eth1", "no-auto-default=*"),
    ] {
        let started = starts(unit);
        assert_eq!(outcome(&[(&started, ""), (path, good)]), Outcome::Passed, "{unit}: {good}");
        let cloud = ("/etc/cloud/cloud.cfg", "x: y\n");
        assert_eq!(outcome(&[(&started, ""), (path, bad)]), Outcome::Failed, "{unit}: {bad}");
        assert_eq!(outcome(&[(&started, ""), (path, bad), cloud]), Outcome::Passed, "{unit}: cloud-init");
        for off in ["network: {config: disabled}\n", "network:\n  config: disabled\n"] {
            let files = [(&*started, ""), (path, bad), cloud, ("/etc/cloud/cloud.cfg.d/9.cfg", off)];
            assert_eq!(outcome(&files), Outcome::Failed, "{unit}: {off}");
        }
        assert_eq!(outcome(&[(path, good)]), Outcome::Failed, "{unit} does not start");
    }
    for (profile, expected) in
        [("[ipv4]\nmethod=auto\n", Outcome::Passed), ("[ipv4]\nmethod=manual\n[ipv6]\nmethod=auto\n", Outcome::Failed)]
    {
        let strict = ("/etc/NetworkManager/conf.d/a.conf", "no-auto-default=*");
        let files = [(&*starts("NetworkManager"), ""), strict, ("/etc/NetworkManager/system-connections/a", profile)];
        assert_eq!(outcome(&files), expected, "{profile}");
    }
    let netplan = ("/usr/lib/systemd/system-generators/netplan", "");
    let card = |text| {
        outcome(&[netplan, ("/etc/netplan/a.yaml", &*format!("network:\n  ethernets:\n    eth0:\n      {text}\n"))])
    };
    assert_eq!((card("dhcp4: true"), card("dhcp4: no")), (Outcome::Passed, Outcome::Failed));
    let own = [
        (&*starts("systemd-networkd"), ""),
        ("/usr/lib/systemd/network/80-container-host0.network", "[Network]\nDHCP=yes"),
    ];
    assert_eq!(outcome(&own), Outcome::Failed, "systemd's own file is for containers");
    for (path, text) in
        [("/etc/systemd/network/a.network.d/b.conf", "[Network]\nDHCP=no"), ("/etc/systemd/network/a.network", "")]
    {
        let files = [
            (&*starts("systemd-networkd"), ""),
            ("/usr/lib/systemd/network/a.network", "[Network]\nDHCP=yes"),
            (path, text),
        ];
        assert_eq!((outcome(&files[..2]), outcome(&files)), (Outcome::Passed, Outcome::Failed), "{path} counts");
    }
}

#[test]
fn checks_of_elements_are_judged_and_counted() {
    let matches = |path: &str, pattern: &str| FileMatches { path: path.to_owned(), pattern: pattern.to_owned() };
    let view = view_of(&[
        ("/etc/a.conf", "x = 1\ny = 2\n"),
        ("/etc/empty", ""),
        ("/etc/systemd/system/multi-user.target.wants/ssh.service", "-> /lib/systemd/system/ssh.service"),
        ("/etc/systemd/system/ufw.service", "-> /dev/null"),
        ("/boot/grub/grub.cfg", "menuentry 'D' {\nlinux /k ro console=ttyS0\n}\n"),
    ]);
    let good = [
        Check::KernelArg("console=ttyS0".to_owned()),
        Check::PathExists("/etc/*.conf".to_owned()),
        Check::Booted(crate::element::schema::Booted::Port(22)),
        Check::PathAbsent("/etc/none".to_owned()),
        Check::FileEmpty("/etc/empty".to_owned()),
        Check::FileMatches(matches("/etc/a.conf", "^y = [0-9]$")),
        Check::FileLacks(matches("/etc/*", "^z")),
        Check::ServiceEnabled("ssh.service".to_owned()),
        Check::ServiceOff("ufw.service".to_owned()),
    ];
    let bad = [
        Check::KernelArg("console".to_owned()),
        Check::PathExists("/etc/none".to_owned()),
        Check::PathAbsent("/etc/a*".to_owned()),
        Check::FileEmpty("/etc/a.conf".to_owned()),
        Check::FileEmpty("/etc/none".to_owned()),
        Check::FileMatches(matches("/etc/a.conf", "^z")),
        Check::FileLacks(matches("/etc/*.conf", "^y")),
        Check::FileLacks(matches("/etc/*.conf", "(")),
        Check::ServiceEnabled("ufw.service".to_owned()),
        Check::ServiceOff("ssh.service".to_owned()),
        Check::PackageInstalled("nginx".to_owned()),
    ];
    let of = |element: &str, checks: &[Check]| {
        checks.iter().map(|check| (element.to_owned(), check.clone())).collect::<Vec<_>>()
    };
    let findings = elements::judge(&view, &[of("good", &good), of("bad", &bad)].concat());
    let expected: Vec<_> = (1..=bad.len()).map(|number| format!("bad/{number}")).collect();
    assert_eq!(elements::failed(&findings), expected);
    // Checks of the running image are counted all the same.
    let passed: Vec<_> = findings.iter().map(|it| it.id.as_str()).filter(|id| id.starts_with("good")).collect();
    assert_eq!(passed, ["good/1", "good/2", "good/4", "good/5", "good/6", "good/7", "good/8", "good/9"]);
    assert!(findings.iter().all(|finding| finding.outcome == Outcome::Passed || !finding.evidence.is_empty()));
}

#[test]
fn a_disk_without_a_system_is_a_finding() {
    let world = FakeWorld::new();
    let mut guest = world.launch();
    let found = examine_attached(&mut guest, &[]).expect("the guest works");
    assert_eq!((found.findings.len(), found.findings[0].outcome), (rules().count(), Outcome::Failed));
    assert!(found.findings[0].evidence.iter().any(|line| line.contains("no partition table")), "{found:?}");
    assert!(found.findings[1..].iter().all(|finding| finding.outcome == Outcome::Skipped));
}

/// Lines were kept with their paths, which took a hundred times the size of a file of short lines.
#[test]
fn lines_are_not_kept() {
    let path = format!("/etc/{}", "x".repeat(250));
    let text = "a\n".repeat(1 << 20);
    let tree = tree(&[(&path, &text)]);
    let mut lines = lines_of(&tree, &["/etc/*"]);
    assert_eq!(lines.next(), Some((path.clone(), "a".to_owned())));
    // A list would have all lines in memory, and know their number.
    assert_eq!(lines.size_hint().1, None);
    assert_eq!(lines.count(), (1 << 20) - 1);
}
