# What dnf and zypper have in common: rpm, and the scripts of its packages. system.sh stands before it.
#
# Environment: WORK            holds rpmmacros, and is the home directory of rpm, which reads the place of its database there
#              ROOT_ARGUMENTS  the arguments by which the kernel finds its root

take_macros() {
    mv "$WORK/rpmmacros" "$WORK/.rpmmacros"
}

# What the kernel's package writes into boot entries. Otherwise it takes the arguments of this host.
kernel_arguments() {
    mkdir -p "$tree/etc/kernel" && echo "$ROOT_ARGUMENTS" >"$tree/etc/kernel/cmdline"
}

# The status of the transaction, with the script of a package that has failed.
transaction_ended() {
    # dnf and rpm only warn of these.
    if failed=$(grep -E -m 1 'scriptlet failed, |%[a-z]+ script failed' "$WORK/output"); then
        echo "a script of a package failed: $failed" >&2
        return 1
    fi
    [ ! -e "$WORK/failed" ] || return "$(cat "$WORK/failed")"
    unmount_system
}

list_packages() {
    HOME=$WORK rpm --root="$tree" --query --all --queryformat='installed %{NAME} %{EVR} %{ARCH}\n' | grep -v '^installed gpg-pubkey '
}
