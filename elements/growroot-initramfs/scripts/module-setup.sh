#!/bin/bash
# A module of dracut that grows the root partition before it is mounted.

check() {
    require_binaries growpart sfdisk || return 1
    return 0
}

depends() {
    echo base
}

install() {
    inst_multiple growpart sfdisk awk cat dd grep mkdir mktemp partx readlink rm sed udevadm
    inst_multiple -o blkid flock lsblk
    inst_hook pre-mount 50 "$moddir/growroot.sh"
}
