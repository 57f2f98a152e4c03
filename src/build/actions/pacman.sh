# Runs pacman, and finds out what it means. rpm.sh stands before it.
export LC_ALL=C
keys=/etc/pacman.d/gnupg
# Programs of GnuPG stay for a while, and what runs keeps the file system from being unmounted.
trap 'gpgconf --homedir "$keys" --kill all 2>/dev/null || :; rm -rf "$notes"' EXIT

pacman() {
    transaction command pacman --noconfirm --noprogressbar --gpgdir "$keys" "$@"
    # It ends with 0 where a script or a hook has failed.
    failed=$(grep -E -m 1 -B 1 '^error: command (failed to execute correctly|terminated by signal)' "$notes/output" | tr '\n' ' ')
    [ -z "$failed" ] || undone "a script of a package failed: $failed"
    [ "$status" = 0 ] || exit "$status"
}

# The keyring has a secret key of this machine, so an image has none before its first boot. This one goes when the packages are there.
if [ "$UPDATE$INSTALL" != 0 ] && [ ! -e "$keys/trustdb.gpg" ]; then
    keys=$notes/gnupg
    pacman-key --gpgdir "$keys" --init
    pacman-key --gpgdir "$keys" --populate
fi
# Packages of a rolling distribution fit together in their newest versions only, so the others are updated too.
[ "$UPDATE$INSTALL" = 0 ] || pacman -Syu --needed $INSTALL
there=
for package in $REMOVE; do
    ! command pacman -Qq "$package" >/dev/null 2>&1 || there="$there $package"
done
[ -z "$there" ] || pacman -Rns $there
for package in $INSTALL; do
    # A package, what a package provides, or a group
    command pacman -T "$package" >/dev/null || command pacman -Qqg "$package" >/dev/null 2>&1 ||
        undone "pacman succeeded, but $package is not installed"
done
for package in $there; do
    ! command pacman -Qq "$package" >/dev/null 2>&1 || undone "pacman succeeded, but $package is still installed"
done
