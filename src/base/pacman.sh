# Makes a tree by pacman, from repositories of Arch Linux's form: the functions that bootstrap.sh calls. system.sh and the function
# `generic` stand before it.
#
# Environment: WORK  holds pacman.conf, keys (the path of the keyring) and mirrorlist, for the image

# Digests of the databases that pacman has read, in the form of the pins.
digests() {
    find "$tree/var/lib/pacman/sync" -maxdepth 1 -name '*.db' -exec sha256sum {} + | cut -d ' ' -f 1 | sort
}

# Nothing of this host's own pacman: neither its configuration nor its keys, packages, hooks and log.
run_pacman() {
    env --unset=TMPDIR SOURCE_DATE_EPOCH="$EPOCH" pacman --config "$WORK/pacman.conf" --root "$tree" --dbpath "$tree/var/lib/pacman" \
        --cachedir "$mnt/pacman" --gpgdir "$keys" --hookdir "$tree/etc/pacman.d/hooks" --logfile "$WORK/pacman.log" \
        --noconfirm --noprogressbar --color never "$@"
}

run_pacman_key() {
    pacman-key --config "$WORK/pacman.conf" --gpgdir "$keys" "$@"
}

run_gpg() {
    gpg --homedir "$keys" --no-permission-warning --batch --quiet "$@"
}

# Makes pacman's own keyring. The files NAME-trusted and NAME-revoked beside the keyring NAME.gpg tell which keys vouch for others, and
# which count no longer: pacman-key(8). `pacman-key --populate` reads the same, and only from the host's directory.
make_keyring() {
    keyring=$(cat "$WORK/keys")
    mkdir -m 0700 "$mnt/gnupg"
    # Sockets of GnuPG need a short path. It would put them below /run/user, by a name that other runs have too.
    [ ! -d /run/user ] || mount -t tmpfs -o mode=0755 user /run/user || return
    exec 9<"$mnt/gnupg"
    keys=/proc/$$/fd/9
    # pacman-key would make a key that takes many seconds.
    : >"$keys/pubring.gpg"
    run_gpg --pinentry-mode loopback --passphrase '' --quick-generate-key pacman@localhost ed25519 default never || return
    run_pacman_key --init || return
    # Otherwise pacman would ask key servers for keys that it does not know.
    echo disable-dirmngr >>"$keys/gpg.conf"
    run_pacman_key --add "$keyring" || return
    run_gpg --with-colons --list-keys | awk -F : '$1 == "fpr" { print $10 }' >"$WORK/known"
    revoked=$(grep -xFf "$WORK/known" "${keyring%.gpg}-revoked" 2>/dev/null) || :
    [ -z "$revoked" ] || run_gpg --yes --delete-keys $revoked || return
    run_gpg --import-ownertrust "${keyring%.gpg}-trusted" || return
    run_pacman_key --lsign-key $(awk -F : '/^[0-9A-F]+:/ { print $1 }' "${keyring%.gpg}-trusted")
}

take_cache() {
    # A file that another run removes meanwhile is downloaded again.
    mkdir "$mnt/pacman"
    find "$CACHE" -maxdepth 1 -name '*.pkg.tar.*' -exec cp --reflink=auto --preserve=timestamps -t "$mnt/pacman" {} + || :
    ls "$mnt/pacman" >"$WORK/taken"
}

# Returns the status of the first command that fails: the shell ignores `set -e` here.
install_packages() {
    make_keyring || return
    # Packages have these directories with these modes, and pacman leaves directories as it finds them.
    mkdir -p -m 0555 "$tree/proc" "$tree/sys"
    mkdir -p -m 1777 "$tree/tmp"
    mkdir -p "$tree/var/lib/pacman"
    mount_system || return
    # The package of a kernel makes the initramfs.
    ROOT=$tree generic || return
    run_pacman --sync --refresh || return
    if [ "$(digests)" != "$(cat "$WORK/pins")" ]; then
        touch "$WORK/moved"
        return 1
    fi
    transaction run_pacman --sync --needed
    # pacman ends with 0 where a script or a hook has failed.
    if failed=$(grep -E -m 1 -B 1 '^error: command (failed to execute correctly|terminated by signal)' "$WORK/output"); then
        echo "a script of a package failed:" $failed >&2
        return 1
    fi
    [ ! -e "$WORK/failed" ] || return "$(cat "$WORK/failed")"
    unmount_system
}

downloaded() {
    size_of_files "$mnt/pacman"
}

# pacman's database: alpm-db-desc(5). A line with the name of a value stands before the value.
list_packages() {
    find "$tree/var/lib/pacman/local" -mindepth 2 -name desc -exec awk '
        /^%(NAME|VERSION|ARCH)%$/ { key = $0; getline; value[key] = $0 }
        key == "%ARCH%" { print "installed", value["%NAME%"], value["%VERSION%"], value["%ARCH%"]; key = "" }' {} +
}

keep_packages() {
    for package in "$mnt"/pacman/*.pkg.tar.*; do
        case $package in *.part) continue ;; esac
        keep_file "$package" "$CACHE"
    done
    # pacman removes those that are damaged.
    while read -r package; do
        [ -e "$mnt/pacman/$package" ] || rm -f "$CACHE/$package"
    done <"$WORK/taken"
    # Nothing has wanted these for a month; the unfinished ones are of runs that were ended.
    find "$CACHE" -mindepth 1 -maxdepth 1 \( -name '*.pkg.tar.*' -mtime +30 -o -name '.*' -type f -mtime +1 \) -delete
}

tidy_tree() {
    rm -rf "$tree/var/lib/pacman/sync"
    # The package's own list of mirrors has none that counts.
    mkdir -p "$tree/etc/pacman.d"
    cp "$WORK/mirrorlist" "$tree/etc/pacman.d/mirrorlist"
    # The time of the installation would differ between builds.
    find "$tree/var/lib/pacman/local" -mindepth 2 -name desc -exec sed -i "/^%INSTALLDATE%\$/ { n; s/.*/$EPOCH/ }" {} +
}
