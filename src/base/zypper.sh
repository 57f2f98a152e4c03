# Makes a tree by zypper, from repositories of rpm's form: the functions that bootstrap.sh calls. rpm.sh stands before it.
#
# Environment: WORK  holds zypp.conf and the directory of repositories too, for the bootstrap, the keyring, and image-repositories for the image

# Digests of the indexes that zypper has read, in the form of the pins.
digests() {
    find "$tree/var/cache/zypp/raw" -path '*/repodata/repomd.xml' -exec sha256sum {} + | cut -d ' ' -f 1 | sort
}

# No configuration, log or lock of this host: libzypp's own is below the root. RPM_FORCE_DEBIAN tells rpm of Debian that it is meant.
run_zypper() {
    env --unset=TMPDIR HOME="$WORK" SOURCE_DATE_EPOCH="$EPOCH" RPM_FORCE_DEBIAN=1 ZYPP_CONF="$WORK/zypp.conf" \
        ZYPP_LOGFILE="$WORK/zypper.log" zypper --config "$WORK/zypper.conf" --non-interactive --root "$tree" --reposd-dir "$WORK" \
        --cache-dir "$tree/var/cache/zypp" "$@"
}

# zypper reads the directory of the work as that of repositories, and takes the file goldsmith.repo there.
take_cache() {
    take_macros
    : >"$WORK/zypper.conf"
    mkdir -p "$tree/var/cache/zypp"
    # A file that another run removes meanwhile is downloaded again.
    cp -R --preserve=timestamps --reflink=auto "$CACHE" "$tree/var/cache/zypp/packages" || mkdir -p "$tree/var/cache/zypp/packages"
}

# Returns the status of the first command that fails: the shell ignores `set -e` here.
install_packages() {
    kernel_arguments || return
    mount_system || return
    # zypper trusts the keys in rpm's database, and asks nobody for others.
    env HOME="$WORK" RPM_FORCE_DEBIAN=1 rpm --root="$tree" --import "$WORK/keyring" || return
    run_zypper refresh || return
    if [ "$(digests)" != "$(cat "$WORK/pins")" ]; then
        touch "$WORK/moved"
        return 1
    fi
    transaction run_zypper --no-refresh install --no-recommends --auto-agree-with-licenses --download in-advance --
    mv "$tree/var/cache/zypp/packages" "$mnt/packages"
    # zypper(8), "EXIT CODES": 102 and 103 ask for a restart after a success. 107, of a script that failed, stays a failure.
    case $(cat "$WORK/failed" 2>/dev/null) in
        102 | 103) rm "$WORK/failed" ;;
    esac
    transaction_ended
}

downloaded() {
    size_of_files "$tree/var/cache/zypp/packages"
}

keep_packages() {
    for directory in "$mnt"/packages/*/; do
        [ -d "$directory" ] || continue
        kept=$CACHE/$(basename "$directory")
        # Packages keep the directories that the repository has them in.
        (cd "$directory" && find . -name '*.rpm') | while IFS= read -r package; do
            mkdir -p "$kept/${package%/*}"
            keep_file "$directory/$package" "$kept/${package%/*}"
        done
    done
    # Nothing has wanted these for a month; the unfinished ones are of runs that were ended.
    find "$CACHE" -mindepth 2 \( -name '*.rpm' -mtime +30 -o -name '.*' -type f -mtime +1 \) -delete
}

tidy_tree() {
    rm -rf "$tree/var/cache/zypp" "$tree/var/log/zypp" "$tree/run/zypp.pid"
    # It has made this one, where rpm of other distributions has its database.
    rmdir "$tree/var/lib/rpm" 2>/dev/null || :
    own_database
    # The distribution's own list of repositories comes with a package. Without it the image has those of the bootstrap.
    if [ -z "$(find "$tree/etc/zypp/repos.d" "$tree/usr/share/zypp/local/service" -type f 2>/dev/null)" ]; then
        mkdir -p "$tree/etc/zypp/repos.d"
        cp "$WORK/image-repositories" "$tree/etc/zypp/repos.d/goldsmith.repo"
    fi
}

# The database of this host's rpm may have another format than that of the image, so the image's own rpm makes its own.
own_database() {
    [ -x "$tree/usr/bin/rpmdb" ] || return 0
    env HOME="$WORK" rpmdb --root="$tree" --exportdb >"$mnt/headers"
    database=$(HOME=$WORK rpm --eval '%{_dbpath}')
    rm -rf "${tree:?}$database"
    mkdir -p "$tree$database"
    chroot "$tree" rpmdb --initdb
    chroot "$tree" rpmdb --importdb <"$mnt/headers"
    rm "$mnt/headers"
    [ "$(chroot "$tree" rpm --query --all | grep -vc '^gpg-pubkey')" = "$(wc -l <"$WORK/packages")" ] || {
        echo "the image's own rpm does not find the packages that were installed" >&2
        return 1
    }
}
