# Makes a tree by apk, from repositories of Alpine's form: the functions that bootstrap.sh calls. system.sh stands before it.
#
# Environment: WORK  holds repositories, keys (the path of the directory with the keys) and image-repositories, for the image

# Digests of the indexes that apk has read, in the form of the pins.
digests() {
    find "$mnt/apk" -maxdepth 1 -name 'APKINDEX.*.tar.gz' -exec sha256sum {} + | cut -d ' ' -f 1 | sort
}

# Nothing of this host's own apk: neither its repositories nor its keys.
run_apk() {
    env --unset=TMPDIR SOURCE_DATE_EPOCH="$EPOCH" apk --root "$tree" --arch "$ARCH" --keys-dir "$(cat "$WORK/keys")" \
        --repositories-file "$WORK/repositories" --cache-dir "$mnt/apk" --no-progress "$@"
}

take_cache() {
    # A file that another run removes meanwhile is downloaded again.
    mkdir "$mnt/apk"
    find "$CACHE" -maxdepth 1 -name '*.apk' -exec cp --reflink=auto --preserve=timestamps -t "$mnt/apk" {} + || :
}

# Returns the status of the first command that fails: the shell ignores `set -e` here.
install_packages() {
    mount_system || return
    run_apk --no-network add --initdb || return
    run_apk update || return
    if [ "$(digests)" != "$(cat "$WORK/pins")" ]; then
        # An index whose signature is wrong is not kept, and apk has said so.
        [ "$(digests | wc -l)" != "$(wc -l <"$WORK/pins")" ] || touch "$WORK/moved"
        return 1
    fi
    transaction run_apk --no-interactive add || return
    # apk ends with 0 where a package's script has failed.
    if failed=$(grep -E -m 1 '^ERROR: .*: (script )?exited with error ' "$WORK/output"); then
        echo "a script of a package failed: $failed" >&2
        return 1
    fi
    [ ! -e "$WORK/failed" ] || return "$(cat "$WORK/failed")"
    unmount_system
}

downloaded() {
    size_of_files "$mnt/apk" -name '*.apk*'
}

# apk's database (apk-package(5)): P is the name, V the version, A the architecture.
list_packages() {
    for database in "$tree/lib/apk/db/installed" "$tree/usr/lib/apk/db/installed"; do
        [ ! -e "$database" ] || awk '/^P:/ { name = substr($0, 3) } /^V:/ { version = substr($0, 3) } /^A:/ { arch = substr($0, 3) }
            /^$/ && name { print "installed", name, version, arch; name = "" }' "$database"
    done
}

keep_packages() {
    for package in "$mnt"/apk/*.apk; do
        keep_file "$package" "$CACHE"
    done
    # Nothing has wanted these for a month; the unfinished ones are of runs that were ended.
    find "$CACHE" -mindepth 1 -maxdepth 1 \( -name '*.apk' -mtime +30 -o -name '.*' -type f -mtime +1 \) -delete
}

tidy_tree() {
    rm -f "$tree/var/log/apk.log"
    mkdir -p "$tree/etc/apk"
    [ -e "$tree/etc/apk/repositories" ] || cp "$WORK/image-repositories" "$tree/etc/apk/repositories"
}
