#!/bin/sh
# Writes extlinux's boot sector before the file system on the whole disk, and its program into /boot. It reads its configuration
# at boot, so this script can run before there is one.
set -eu

device=$(awk '$2 == "/" { device = $1 } END { print device }' /proc/mounts)
if [ "$device" != "$GOLDSMITH_DISK" ]; then
    echo "the root file system is on $device and not on the whole disk: use the element bootloader instead of extlinux" >&2
    exit 1
fi
extlinux --install /boot
# A BIOS starts only a sector with this mark at its end.
[ "$(dd if="$device" bs=2 skip=255 count=1 2>/dev/null | od -An -t x1 | tr -d ' ')" = 55aa ] || {
    echo "extlinux succeeded, but the first sector of the disk has no boot code" >&2
    exit 1
}
