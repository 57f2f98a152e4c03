#!/bin/sh
# Names the root file system in the settings of Alpine's update-extlinux, which other distributions do not have.
set -eu

settings=/etc/update-extlinux.conf
device=$(awk '$2 == "/" { device = $1 } END { print device }' /proc/mounts)
uuid=$(blkid "$device" | sed -n 's/.* UUID="\([^"]*\)".*/\1/p')
[ -n "$uuid" ] || { echo "blkid finds no UUID on $device" >&2; exit 1; }
[ -e "$settings" ] || printf '%s\n' default_kernel_opts= >"$settings"

# Sets $1 to $2.
set_to() {
    if grep -q "^$1=" "$settings"; then
        sed -i "s|^$1=.*|$1=$2|" "$settings"
    else
        printf '%s=%s\n' "$1" "$2" >>"$settings"
    fi
}
set_to root "UUID=$uuid"
# Alpine's initramfs loads these before it looks for the root file system.
[ ! -e /etc/mkinitfs/mkinitfs.conf ] || set_to modules ext4,virtio_pci,virtio_blk,virtio_scsi,sd-mod
# Its own menu would show nothing on a serial port otherwise.
set_to serial_port 0
