//! A real image of Alpine Linux, without a partition table, a boot loader, an SSH server and cloud-init, becomes one for clouds: it
//! boots, takes its owner's key and host name, and grows.
//!
//! Real: Alpine's kernel, initramfs, OpenRC, busybox, apk and dhcpcd, extlinux and OpenSSH. Synthetic: the packages `openssh` and
//! `syslinux` hold programs that Debian compiled, because no mirror of Alpine is asked (`tests/support/alpine/programs.sh`).

use std::process::Command;

use goldsmith::digest::Sha256;
use goldsmith::process::capture;

use crate::alpine_image::Alpine;
use crate::record::record;
use crate::reports::Verified;
use crate::verified::Made;

/// Makes a signed repository of the packages, by the programs of the image.
const REPOSITORY: &str = r"#!/bin/sh
set -eux
mkdir -p /srv/repository /run/files
tar -C /run/files -xf /srv/programs.tar
rm /srv/programs.tar
package() {
    name=$1
    shift
    apk mkpkg --sign-key $GOLDSMITH_SECRETS/key --files /run/files/$name --info name:$name --info version:1.0-r0 \
        --info arch:x86_64 --info description:synthetic $* --output /srv/repository/$name-1.0-r0.apk
}
package debian-glibc
package openssh --info depends:debian-glibc
package syslinux --info depends:debian-glibc
apk mkndx --sign-key $GOLDSMITH_SECRETS/key --output /srv/repository/index.adb /srv/repository/*.apk
echo 'ndx /srv/repository/index.adb' >/etc/apk/repositories
";

const WITH_REPOSITORY: &str = "secrets: { key: { file: key.pem } }
steps:
  install:
    - copy: { source: test.rsa.pub, path: /etc/apk/keys/test.rsa.pub }
    - copy: { source: programs.tar, path: /srv/programs.tar }
    - run: { script: repository.sh, secrets: [key] }
";

/// The image is one of a sandbox: made in a container, with an account, an agent and a fixed address of its own.
const CLOUD: &str = r#"elements: [kernel, dhcp-network, sshd, metadata-ssh-key, growroot, net-rules, no-firewall, extlinux, serial-console, sysprep]
steps:
  configure:
    - edit: { path: /etc/rc.conf, delete: ["^rc_sys=", "^rc_parallel="] }
    - service: { disable: [setup-dns, quicksand-guest-agent] }
    - copy: { source: mdev, path: /etc/init.d/mdev, mode: "0755" }
    - service: { enable: [mdev, acpid, ntpd, hwdrivers, networking] }
    - remove: [/etc/init.d/quicksand-guest-agent, /etc/sudoers.d/quicksand, /.dockerenv]
    - run: { script: accounts.sh }
  boot:
    # KVM tells a kernel that its timer is good. Without it, a busy machine may seem to have a bad one.
    - kernel-args: { add: [no_timer_check] }
"#;

/// The service of Alpine's package busybox-mdev-openrc, which the image lacks: others need what it provides.
const MDEV: &str = r#"#!/sbin/openrc-run
description="Device nodes by busybox"

depend() {
    provide dev
    need sysfs devfs
}

start() {
    ebegin "Looking for devices"
    /sbin/mdev -s
    eend $?
}
"#;

/// Checks that do not apply, and a part of what is told of each.
const SKIPPED: [(&str, &str); 12] = [
    ("root-last", "not directly on a partition"),
    ("partition-table", "the disk has no"),
    ("root-fills", "not directly on a partition"),
    ("efi-fallback", "not for UEFI"),
    ("secure-boot", "not for UEFI"),
    ("cloud-init-enabled", "cloud-init is not installed"),
    ("datasources", "cloud-init is not installed"),
    ("metadata-source", "the image has no cloud-init"),
    ("user-data-script", "the image has no cloud-init"),
    ("user-data-cloud-config", "the image has no cloud-init"),
    ("first-boot-clean", "the image has no cloud-init"),
    // Only where this host reaches no name server.
    ("dns-answers", "this host's own resolver"),
];

#[test]
#[ignore = "needs an image and packages from the network, boots virtual machines, and takes long"]
fn takes_long_a_real_alpine_image_boots_and_takes_the_key() {
    let alpine = Alpine::new();
    let script = concat!(env!("CARGO_MANIFEST_DIR"), "/tests/support/alpine/programs.sh");
    capture(Command::new("sh").arg(script).arg(alpine.path())).expect("the packages' files");
    alpine.write("repository.sh", REPOSITORY);
    alpine.write("mdev", MDEV);
    alpine.write("accounts.sh", "#!/bin/sh\nset -eu\ndeluser --remove-home quicksand\n");
    let packages = alpine.build("packages", "base.qcow2", alpine.sha256, WITH_REPOSITORY).expect("it is built");
    let sha256 = Sha256::of_file(&packages).expect("a file");
    let image = alpine.build("alpine", "out/packages.qcow2", sha256, CLOUD).expect("it is built");

    // With both sources of metadata that OpenStack has.
    let metadata = ["--metadata", "config-drive,openstack"];
    // One processor: QEMU without KVM sometimes lets a second one run code of this kernel that the first is patching.
    let verify = ["verify", &image.to_string_lossy(), "--report", "report", "--deadline", "20min", "--cpus", "1"];
    let verified = alpine.goldsmith(&[&verify[..], &metadata[..]].concat());
    let verified = Verified::new(verified, &alpine.path().join("report"));
    verified.assert_passed();
    let manifest = image.with_file_name("manifest.json");
    record("alpine", "Alpine 3.23", Made::Image, &manifest, &verified);
    for skipped in verified.with("skipped") {
        let known =
            SKIPPED.iter().any(|(id, why)| skipped["id"] == *id && skipped["evidence"].to_string().contains(why));
        assert!(known, "{skipped:#?}");
    }
    let passed: Vec<_> =
        verified.with("passed").iter().map(|it| it["id"].as_str().expect("an id").to_owned()).collect();
    for id in ["bios-loader", "key-injection", "root-grows", "key-logs-in", "hostname-from-metadata", "root-fills-disk"]
    {
        assert!(passed.iter().any(|it| it == id), "{id}: {passed:?}");
    }
    for id in ["no-failed-unit", "time-sync", "powers-off", "reboots", "metadata-ssh-key/4", "metadata-ssh-key/5"] {
        assert!(passed.iter().any(|it| it == id), "{id}: {passed:?}");
    }
}
