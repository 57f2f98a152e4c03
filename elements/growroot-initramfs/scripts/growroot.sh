#!/bin/sh
# Grows the partition of the root file system to the end of its disk. dracut sources this file, so it must neither exit nor fail.

grow_root() (
    [ ! -e /etc/growroot-disabled ] || return 0
    device=$(readlink -f "${root#block:}") || return 0
    block=$(readlink -f "/sys/class/block/${device##*/}") || return 0
    # A disk without partitions needs nothing.
    [ -e "$block/partition" ] || return 0
    disk=${block%/*}
    udevadm settle --timeout=30 || :
    # Its status 1 says that the partition has this size already.
    said=$(growpart "/dev/${disk##*/}" "$(cat "$block/partition")" 2>&1) || [ $? = 1 ] || said="WARNING: $said"
    echo "GROWROOT: $said" >/dev/console
    udevadm settle --timeout=30 || :
)
grow_root || :
