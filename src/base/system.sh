# What the package managers that Goldsmith itself drives have in common: scripts of packages run in the tree, and the transaction is
# watched. mmdebstrap does both by itself.

# Scripts of packages need these. The mounts end with this namespace, or when they are no longer needed.
mount_system() {
    mkdir -p "$tree/proc" "$tree/sys" "$tree/dev"
    mount -t proc proc "$tree/proc" || return
    mount --rbind --make-rslave /sys "$tree/sys" || return
    mount -t tmpfs -o mode=0755 dev "$tree/dev" || return
    for node in full null random tty urandom zero; do
        : >"$tree/dev/$node"
        mount --bind "/dev/$node" "$tree/dev/$node" || return
    done
    mkdir "$tree/dev/pts"
    mkdir -m 1777 "$tree/dev/shm"
    for link in fd: stdin:/0 stdout:/1 stderr:/2; do
        ln -sf "/proc/self/fd${link#*:}" "$tree/dev/${link%%:*}"
    done
}

# What lies below these cannot be unmounted one by one in a user namespace.
unmount_system() {
    umount --lazy "$tree/dev" "$tree/sys" "$tree/proc"
}

# Runs the command $@ with the packages as further arguments, and notes what it prints and how it ends.
transaction() {
    set -f
    IFS=,
    set -- "$@" $PACKAGES
    unset IFS
    set +f
    { "$@" 2>&1 || echo $? >"$WORK/failed"; } | tee "$WORK/output"
}
