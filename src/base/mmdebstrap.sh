# Makes a tree by mmdebstrap, from repositories of Debian's form: the functions that bootstrap.sh calls.
#
# Environment: WORK   holds sources.list too, for the bootstrap, and image.list, for the image

# Digests of the InRelease files in a directory; the pins are in the same form.
digests() {
    find "$1" -maxdepth 1 -name '*InRelease' -exec sha256sum {} + | cut -d ' ' -f 1 | sort
}

take_cache() {
    archives=$tree/var/cache/apt/archives
    lists=$tree/var/lib/apt/lists
    mkdir -p "$archives/partial" "$lists/partial"
    # A file that another run removes meanwhile is downloaded again.
    find "$CACHE" -maxdepth 1 -name '*.deb' -exec cp --reflink=auto -t "$archives" {} + || :
    known=$CACHE/lists-$(sha256sum <"$WORK/pins" | cut -c 1-16)
    skip=
    if [ -d "$known" ] && cp -p "$known"/* "$lists/" && [ "$(digests "$lists")" = "$(cat "$WORK/pins")" ]; then
        skip=,update
        touch "$known"
    else
        find "$lists" -maxdepth 1 -type f -delete
    fi
}

install_packages() {
    # Kernel packages make an initramfs when they are configured and triggers make it again at the end; INITRD=No
    # leaves out the former, and the hook makes up for it if no trigger did.
    export INITRD=No DEBIAN_FRONTEND=noninteractive DEBCONF_NONINTERACTIVE_SEEN=true
    unsafe_io=--dpkgopt=force-unsafe-io # the disk is not needed before it is complete
    made=0
    # An initramfs has no time of its making if SOURCE_DATE_EPOCH is set. Its own scripts read that from a file here: in the
    # environment it would also let Python compile modules in a way that reads the source at every import.
    mmdebstrap --verbose --mode=root --variant=apt --format=directory --architectures="$ARCH" ${PACKAGES:+--include="$PACKAGES"} \
        --skip="check/empty,check/qemu,essential/unlink,cleanup/apt$skip" $unsafe_io \
        --aptopt='Acquire::Languages "none"' --aptopt='Apt::Install-Recommends "false"' --aptopt='Acquire::Retries "3"' \
        --extract-hook='cd "$1/var/lib/apt/lists"
            cat *InRelease >/dev/null
            sha256sum *InRelease | cut -d " " -f 1 | sort | cmp -s - "$WORK/pins" || { touch "$WORK/moved"; exit 1; }' \
        --extract-hook='mkdir -p "$1/usr/share/initramfs-tools/conf-hooks.d"
            echo "SOURCE_DATE_EPOCH=$EPOCH" >"$1/usr/share/initramfs-tools/conf-hooks.d/goldsmith"' \
        --customize-hook='for modules in "$1"/lib/modules/*; do
                version=${modules##*/}
                if [ -x "$1/usr/sbin/update-initramfs" ] && [ -e "$1/boot/vmlinuz-$version" ] && [ ! -e "$1/boot/initrd.img-$version" ]; then
                    env --unset=TMPDIR chroot "$1" update-initramfs -c -k "$version"
                fi
            done' \
        "$RELEASE" "$tree" "$WORK/sources.list" || made=$?
    mkdir -p "$mnt/packages"
    find "$archives" -maxdepth 1 -name '*.deb' -exec mv -t "$mnt/packages" {} +
    return "$made"
}

downloaded() {
    size_of_files "$archives"
}

list_packages() {
    dpkg-query --admindir="$tree/var/lib/dpkg" --show --showformat='${db:Status-Status} ${Package} ${Version} ${Architecture}\n'
    if [ ! -d "$known" ]; then
        mkdir -p "$CACHE/.lists.$$"
        find "$lists" -maxdepth 1 -type f ! -name lock -exec cp -p -t "$CACHE/.lists.$$" {} +
        # Another run may have been faster.
        mv -T "$CACHE/.lists.$$" "$known" 2>/dev/null || rm -rf "$CACHE/.lists.$$"
    fi
}

keep_packages() {
    for package in "$mnt"/packages/*.deb; do
        keep_file "$package" "$CACHE"
    done
    # Nothing has wanted these for a month; the unfinished ones are of runs that were ended.
    find "$CACHE" -maxdepth 1 \( -name '*.deb' -mtime +30 -o -name '.*' -type f -mtime +1 \) -delete
    find "$CACHE" -maxdepth 1 -name 'lists-*' -mtime +3 -exec rm -rf {} +
}

tidy_tree() {
    find "$lists" "$tree/var/cache/apt" -type f -delete
    # apt gives them to a user of its own when it downloads, and takes them as they are when all was here already.
    chown 0:0 "$archives/partial" "$lists/partial"
    chmod 0700 "$archives/partial" "$lists/partial"
    rm -f "$tree/etc/apt/apt.conf.d/99mmdebstrap" "$tree/etc/dpkg/dpkg.cfg.d/99mmdebstrap"
    rm -f "$tree"/etc/apt/sources.list.d/0000*
    cp "$WORK/image.list" "$tree/etc/apt/sources.list"
    rm -f "$tree/usr/share/initramfs-tools/conf-hooks.d/goldsmith"
    (cd "$tree/usr/share" && rmdir -p --ignore-fail-on-non-empty initramfs-tools/conf-hooks.d)
}
