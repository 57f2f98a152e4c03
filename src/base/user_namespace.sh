# Runs the program in its arguments as root in a user namespace with all ids of this one. Run by `sh -eu -c` as root.
#
# Environment: WORK    directory for this run

mkfifo -m 0600 "$WORK/unmapped" "$WORK/mapped"
{
    read -r _ <"$WORK/unmapped"
    mapped=yes
    for kind in uid gid; do
        awk '{ print $1, $1, $3 }' "/proc/self/${kind}_map" >"/proc/$$/${kind}_map" || mapped=no
    done
    echo "$mapped" >"$WORK/mapped"
} &
# All of these are one process, which the process above knows by its number.
exec unshare --user sh -eu -c '
    echo >"$WORK/unmapped"
    read -r mapped <"$WORK/mapped"
    if [ "$mapped" != yes ]; then
        echo "unshare: the ids of the user namespace cannot be set" >&2
        exit 1
    fi
    exec "$@"' sh "$@"
