# Makes a tree of an archive that Goldsmith wrote, of files that others made: the functions that bootstrap.sh calls. No program of the
# tree runs here.
#
# Environment: WORK  holds tree.tar too, in which every path is there once and none leads through a link

take_cache() {
    :
}

# tar only warns of some things that it cannot do, and the tree would lack them.
install_packages() {
    env --unset=TAR_OPTIONS tar --extract --file="$WORK/tree.tar" --directory="$tree" --numeric-owner --same-owner --same-permissions \
        --delay-directory-restore --xattrs --xattrs-include=security.capability --warning=no-timestamp 2>"$WORK/said" || echo $? >"$WORK/failed"
    cat "$WORK/said" >&2
    [ ! -s "$WORK/said" ] || return 1
    [ ! -e "$WORK/failed" ] || return "$(cat "$WORK/failed")"
    rm "$WORK/tree.tar"
}

downloaded() {
    echo 0
}

list_packages() {
    :
}

keep_packages() {
    :
}

tidy_tree() {
    :
}
