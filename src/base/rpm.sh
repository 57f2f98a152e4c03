# What dnf and zypper have in common: rpm, and the scripts of its packages.
#
# Environment: WORK       holds rpmmacros, and is the home directory of rpm, which reads the place of its database there
#              ROOT_UUID  also for the arguments of the kernel

take_macros() {
    mv "$WORK/rpmmacros" "$WORK/.rpmmacros"
}

# Scripts of packages need these. The mounts end with this namespace, or when they are no longer needed.
mount_system() {
    # What the kernel's package writes into boot entries. Otherwise it takes the arguments of this host.
    mkdir -p "$tree/etc/kernel" && echo "root=UUID=$ROOT_UUID ro" >"$tree/etc/kernel/cmdline" || return
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

# Runs the command $@ with the packages as further arguments, and notes what it prints and how it ends.
transaction() {
    set -f
    IFS=,
    set -- "$@" $PACKAGES
    unset IFS
    set +f
    { "$@" 2>&1 || echo $? >"$WORK/failed"; } | tee "$WORK/output"
}

# The status of the transaction, with the script of a package that has failed.
transaction_ended() {
    # dnf and rpm only warn of these.
    if failed=$(grep -E -m 1 'scriptlet failed, |%[a-z]+ script failed' "$WORK/output"); then
        echo "a script of a package failed: $failed" >&2
        return 1
    fi
    [ ! -e "$WORK/failed" ] || return "$(cat "$WORK/failed")"
    # What lies below these cannot be unmounted one by one in a user namespace.
    umount --lazy "$tree/dev" "$tree/sys" "$tree/proc"
}

list_packages() {
    HOME=$WORK rpm --root="$tree" --query --all --queryformat='installed %{NAME} %{EVR} %{ARCH}\n' | grep -v '^installed gpg-pubkey '
}
