# Gives every file the label that the file contexts $1 say: setfiles(8). SELinux need not run for that.
#
# If it fails, the script prints the reason and ends with 99. Its mounts end with its namespace.
undone() {
    printf '%s\n' "$1" >&2
    exit 99
}

command -v setfiles >/dev/null ||
    undone "/etc/selinux/config turns SELinux on, and the image has no program setfiles, which labels files: install policycoreutils, or set SELINUX=disabled"
command -v mount >/dev/null || undone "the image has no program mount, which setfiles needs here to reach all directories: install it"
echo "labelling all files for SELinux by $1"

# The files of the image alone, without what is mounted over /dev, /proc, /run and /sys.
root=/run/goldsmith/root
mkdir -p "$root"
# Each line has a device, a directory, the type of the file system, and options. `read` decodes nothing, `printf %b` does.
while read -r _ place kind _; do
    case $kind in ext[234] | xfs | btrfs | f2fs | jfs | reiserfs) ;; *) continue ;; esac
    place=$(printf '%b' "$place")
    [ "$place" != / ] || place=
    case $place in /dev/* | /proc/* | /run/* | /sys/*) continue ;; esac
    mount --bind "${place:-/}" "$root$place"
    # -m: without SELinux, no file system says that it holds labels, and setfiles would pass over all of them.
    setfiles -m -r "$root" "$1" "$root$place" ||
        undone "setfiles has not labelled all files below ${place:-/}: the lines above say why"
done </proc/self/mounts
case $(ls -dZ "$root/etc") in
    '?'*) undone "setfiles succeeded, and /etc has no label: does its file system hold extended attributes?" ;;
esac
