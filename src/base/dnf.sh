# Makes a tree by dnf, from repositories of rpm's form: the functions that bootstrap.sh calls. rpm.sh stands before it.
#
# Environment: WORK       holds dnf.conf too, for the bootstrap, and image.repo for the image

# Digests of the indexes in dnf's cache, which it puts into the tree; the pins are in the same form.
digests() {
    find "$tree/var/cache/dnf" -mindepth 3 -maxdepth 3 -path '*/repodata/repomd.xml' -exec sha256sum {} + | cut -d ' ' -f 1 | sort
}

# rpm reads the place of its database from the home directory. On hosts without rpm packages it has another one. Scripts of packages
# run in the tree, where the directory for temporary files is another one.
run_dnf() {
    env --unset=TMPDIR HOME="$WORK" SOURCE_DATE_EPOCH="$EPOCH" dnf --assumeyes --config="$WORK/dnf.conf" \
        --installroot="$tree" --releasever="$RELEASE" --forcearch="$ARCH" \
        --setopt=keepcache=True --setopt=metadata_expire=never --setopt=reposdir=/dev/null --setopt=varsdir=/dev/null \
        --setopt=pluginpath=/dev/null --setopt=install_weak_deps=False "$@"
}

take_cache() {
    take_macros
    # A file that another run removes meanwhile is downloaded again.
    mkdir -p "$tree/var/cache"
    cp -R --preserve=timestamps --reflink=auto "$CACHE" "$tree/var/cache/dnf" || mkdir -p "$tree/var/cache/dnf"
    if [ "$(digests)" != "$(cat "$WORK/pins")" ]; then
        find "$tree/var/cache/dnf" -mindepth 2 -maxdepth 2 -name repodata -exec rm -rf {} +
    fi
}

# Returns the status of the first command that fails: the shell ignores `set -e` here.
install_packages() {
    kernel_arguments || return
    mount_system || return
    run_dnf makecache || return
    if [ "$(digests)" != "$(cat "$WORK/pins")" ]; then
        touch "$WORK/moved"
        return 1
    fi
    transaction run_dnf install
    mv "$tree/var/cache/dnf" "$mnt/dnf"
    transaction_ended
}

downloaded() {
    size_of_files "$tree/var/cache/dnf" -name '*.rpm*'
}

# Indexes are replaced as a whole.
keep_packages() {
    for directory in "$mnt"/dnf/*/; do
        [ -d "$directory" ] || continue
        kept=$CACHE/$(basename "$directory")
        mkdir -p "$kept/packages"
        for package in "$directory"packages/*.rpm; do
            keep_file "$package" "$kept/packages"
        done
        if [ -d "$directory/repodata" ] && ! cmp -s "$directory/repodata/repomd.xml" "$kept/repodata/repomd.xml"; then
            cp -R "$directory/repodata" "$kept/.repodata.$$"
            rm -rf "$kept/repodata"
            # Another run may have been faster.
            mv -T "$kept/.repodata.$$" "$kept/repodata" 2>/dev/null || rm -rf "$kept/.repodata.$$"
        fi
    done
    # Nothing has wanted these for a month; the unfinished ones are of runs that were ended.
    find "$CACHE" -mindepth 2 \( -name '*.rpm' -mtime +30 -o -name '.*' -type f -mtime +1 \) -delete
    find "$CACHE" -mindepth 2 -maxdepth 2 -name '.repodata.*' -mtime +1 -exec rm -rf {} +
}

tidy_tree() {
    rm -rf "$tree/var/cache/libdnf5"
    find "$tree/var/log" \( -name 'dnf*.log' -o -name 'hawkey.log' \) -delete
    # The distribution's own list of repositories comes with a package. Without it the image has those of the bootstrap.
    if [ -z "$(find "$tree/etc/yum.repos.d" -name '*.repo' 2>/dev/null)" ]; then
        mkdir -p "$tree/etc/yum.repos.d"
        cp "$WORK/image.repo" "$tree/etc/yum.repos.d/goldsmith.repo"
    fi
}
