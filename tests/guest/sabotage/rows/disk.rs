//! Disks, boot loaders, kernels.

use super::super::hand::Deed::{Append, Cut, Initrd, Link, Put, Remove, Replace, Write};
use super::Row;

const GRUB: &str = "/boot/grub/grub.cfg";
const MODPROBE: &str = "/etc/modprobe.d/blacklist.conf";
const INITRD: &str = "/boot/initrd.img-{release}";

/// A policy that labels all files but those of one directory.
const CONTEXTS: &str = "/.*\tsystem_u:object_r:default_t:s0\n/usr/share(/.*)?\t<<none>>\n";

pub(super) const ROWS: &[Row] = &[
    // Somebody installed it by hand, and labelled nothing.
    Row {
        id: "selinux-labels",
        deeds: &[
            Write("/etc/selinux/config", "SELINUX=permissive\nSELINUXTYPE=own\n"),
            Write("/etc/selinux/own/contexts/files/file_contexts", CONTEXTS),
        ],
        // All files lack a label. The list names some of them, in the order of the directories, which differs.
        seen: "/",
        also: &[],
    },
    Row {
        id: "selinux-labels",
        deeds: &[Write("/etc/selinux/config", "SELINUX=enforcing\n")],
        seen: "/etc/selinux/targeted/contexts/files/file_contexts is not there",
        also: &[],
    },
    Row {
        id: "root-grows",
        deeds: &[Remove("/usr/bin/growpart")],
        seen: "/usr/bin/growpart is not there",
        also: &["growpart/1"],
    },
    Row {
        id: "root-grows",
        deeds: &[Write("/etc/growroot-disabled", "")],
        seen: "/etc/growroot-disabled is there",
        also: &["growpart/3"],
    },
    Row {
        id: "root-grows",
        deeds: &[Replace("/etc/cloud/cloud.cfg.d/50-growpart.cfg", "mode: growpart", "mode: off")],
        seen: "50-growpart.cfg: mode: off",
        also: &["growpart/2"],
    },
    Row {
        id: "root-grows",
        deeds: &[
            Write("/etc/cloud/cloud.cfg.d/99-disk.cfg", "resize_rootfs: false\n"),
            Replace("/etc/fstab", ",x-systemd.growfs", ""),
        ],
        seen: "99-disk.cfg: resize_rootfs: false",
        also: &[],
    },
    Row {
        id: "root-grows",
        deeds: &[Remove("/usr/sbin/sfdisk"), Remove("/usr/sbin/sgdisk")],
        seen: "neither sfdisk nor sgdisk is there",
        also: &[],
    },
    Row {
        id: "fstab-names",
        deeds: &[Replace("/etc/fstab", "UUID={root}", "/dev/vda3")],
        seen: "/dev/vda3 at /",
        also: &[],
    },
    Row {
        id: "fstab-exists",
        deeds: &[Append("/etc/fstab", "UUID=7ad5c3e8-1111-4222-8333-944445555666 /data ext4 defaults 0 2")],
        seen: "UUID=7ad5c3e8-1111-4222-8333-944445555666 at /data",
        also: &[],
    },
    Row {
        id: "fstab-exists",
        deeds: &[Append("/etc/fstab", "LABEL=scratch /scratch xfs defaults 0 2")],
        seen: "LABEL=scratch at /scratch",
        also: &[],
    },
    Row {
        id: "no-swap",
        deeds: &[Append("/etc/fstab", "/swapfile none swap sw 0 0"), Write("/swapfile", "as mkswap makes it")],
        seen: "/etc/fstab: /swapfile none swap sw",
        also: &[],
    },
    Row {
        id: "no-swap",
        deeds: &[Write("/etc/systemd/system/var-swap.swap", "[Swap]\nWhat=/var/swap\n")],
        seen: "/etc/systemd/system/var-swap.swap",
        also: &[],
    },
    Row { id: "no-swap", deeds: &[Write("/swap.img", "x")], seen: "/swap.img is a swap file", also: &[] },
    Row { id: "kernel", deeds: &[Remove("/lib/modules/{release}/modules.dep")], seen: "has no modules.dep", also: &[] },
    Row {
        id: "boot-files",
        deeds: &[Remove(INITRD)],
        seen: "/boot/initrd.img-",
        also: &["virtio-disk", "virtio-scsi"],
    },
    Row {
        id: "boot-files",
        deeds: &[Cut("/boot/vmlinuz-{release}", 0)],
        seen: "/boot/vmlinuz-",
        also: &["secure-boot"],
    },
    Row {
        id: "boot-names",
        deeds: &[Write("/boot/grub/device.map", "(hd0)\t/dev/loop0\n")],
        seen: "/boot/grub/device.map: (hd0)",
        also: &[],
    },
    Row {
        id: "boot-names",
        deeds: &[Replace(GRUB, "root=UUID={root}", "root=/dev/sda3")],
        seen: "root=/dev/sda3",
        also: &["bootloader/4", "bootloader/5"],
    },
    Row {
        id: "boot-uuids",
        deeds: &[Replace("/boot/efi/EFI/debian/grub.cfg", "{root}", "7ad5c3e8-1111-4222-8333-944445555666")],
        seen: "/boot/efi/EFI/debian/grub.cfg: 7ad5c3e8",
        also: &[],
    },
    Row {
        id: "boot-uuids",
        deeds: &[Replace(GRUB, "root=UUID={root}", "root=UUID=7ad5c3e8-1111-4222-8333-944445555666")],
        seen: "/boot/grub/grub.cfg: 7ad5c3e8",
        also: &[],
    },
    Row {
        id: "bios-loader",
        deeds: &[Remove("/boot/grub/i386-pc/core.img")],
        seen: "core.img for BIOS is not there",
        also: &["bootloader/3"],
    },
    Row {
        id: "efi-fallback",
        deeds: &[Remove("/boot/efi/EFI/BOOT/BOOTX64.EFI")],
        seen: "there is no \\EFI\\BOOT\\BOOTX64.EFI",
        also: &["secure-boot", "uefi/1"],
    },
    Row {
        id: "efi-fallback",
        deeds: &[Cut("/boot/efi/EFI/BOOT/BOOTX64.EFI", 0)],
        seen: "is no program for UEFI",
        also: &["secure-boot"],
    },
    Row {
        id: "serial-console",
        deeds: &[Replace(GRUB, " console=ttyS0,115200n8", "")],
        seen: " ro console=tty0",
        also: &["serial-console/2"],
    },
    Row {
        id: "serial-console",
        deeds: &[Replace(GRUB, "console=ttyS0,115200n8", "console=ttyS0,115200n8 quiet")],
        seen: "ttyS0,115200n8 quiet",
        also: &[],
    },
    Row {
        id: "serial-login",
        deeds: &[Link("/etc/systemd/system/serial-getty@ttyS0.service", "/dev/null")],
        seen: "serial-getty@ttyS0.service is masked",
        also: &["serial-console/3"],
    },
    Row {
        id: "secure-boot",
        deeds: &[Put("/usr/lib/grub/x86_64-efi/monolithic/grubx64.efi", "/boot/efi/EFI/BOOT/grubx64.efi")],
        seen: "/boot/efi/EFI/BOOT/grubx64.efi has no signature",
        also: &[],
    },
    // What `grub-install --removable` leaves: GRUB where the shim was.
    Row {
        id: "secure-boot",
        deeds: &[Put("/boot/grub/x86_64-efi/grub.efi", "/boot/efi/EFI/BOOT/BOOTX64.EFI")],
        seen: "BOOTX64.EFI is not /boot/efi/EFI/debian/shimx64.efi",
        also: &[],
    },
    Row {
        id: "virtio-disk",
        deeds: &[Write(MODPROBE, "# not needed here\nblacklist virtio_blk\n")],
        seen: "/etc/modprobe.d/blacklist.conf: blacklist virtio_blk",
        also: &[],
    },
    // As made on a machine with AHCI disks, for that machine alone.
    Row {
        id: "virtio-disk",
        deeds: &[Initrd(INITRD, &["drivers/ata/ahci", "drivers/scsi/sd_mod"])],
        seen: "virtio_blk is neither in /boot/initrd.img-",
        also: &["virtio-scsi"],
    },
    // The disk was full when it was written.
    Row { id: "virtio-disk", deeds: &[Cut(INITRD, 1 << 20)], seen: "it is damaged", also: &["virtio-scsi"] },
    Row {
        id: "virtio-scsi",
        deeds: &[Initrd(INITRD, &["drivers/block/virtio_blk", "drivers/virtio/virtio_pci"])],
        seen: "virtio_scsi is neither in",
        also: &[],
    },
    Row {
        id: "virtio-net",
        deeds: &[Write(MODPROBE, "install virtio_net /bin/true\n")],
        seen: "install virtio_net /bin/true",
        also: &[],
    },
    Row {
        id: "no-xen",
        deeds: &[Append("/etc/initramfs-tools/modules", "xen-blkfront")],
        seen: "/etc/initramfs-tools/modules: xen-blkfront",
        also: &[],
    },
    Row {
        id: "no-xen",
        deeds: &[Replace(GRUB, "console=ttyS0,115200n8", "console=ttyS0,115200n8 console=hvc0")],
        seen: "console=hvc0 is the last console",
        also: &[],
    },
    Row { id: "no-xen", deeds: &[Write("/usr/sbin/xe-daemon", "#!/bin/sh\n")], seen: "/usr/sbin/xe-daemon", also: &[] },
    Row {
        id: "bootloader/1",
        deeds: &[Remove("/etc/default/grub")],
        seen: "/etc/default/grub: there is nothing",
        also: &[],
    },
    Row {
        id: "bootloader/2",
        deeds: &[Remove(GRUB)],
        seen: "there is nothing",
        also: &["boot-files", "serial-console", "serial-console/1", "serial-console/2", "bootloader/4"],
    },
    Row {
        id: "uefi/2",
        deeds: &[Remove("/boot/efi/EFI/debian/shimx64.efi")],
        seen: "shimx64.efi: there is nothing",
        also: &[],
    },
    Row {
        id: "uefi/3",
        deeds: &[Remove("/boot/efi/EFI/debian/grub.cfg")],
        seen: "grub.cfg: there is nothing",
        also: &[],
    },
    Row {
        id: "uefi/4",
        deeds: &[Replace("/boot/efi/EFI/debian/grub.cfg", "hd0,gpt3", "hd1,gpt3")],
        seen: "hd1,gpt3",
        also: &[],
    },
    Row { id: "serial-console/1", deeds: &[Replace(GRUB, " console=tty0", "")], seen: " ro console=ttyS0", also: &[] },
];
