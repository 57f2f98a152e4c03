# Makes a disk of packages. Run by `sh -eu -c` as root (of the host or of a user namespace) in mount, PID, IPC
# and UTS namespaces of its own, so that whatever ends it takes every process and mount with it.
#
# The script of a tool (mmdebstrap.sh, dnf.sh and the like) stands before this one, with the functions of its package manager. tree.sh
# has those for a tree that is there already.
#   take_cache         gives packages of earlier runs to the tool
#   install_packages   makes the tree of packages; its failure is the status of the script
#   downloaded         prints the size of the packages that are there, in bytes, also of those that have arrived in part
#   list_packages      prints a line `installed NAME VERSION ARCHITECTURE` for each package of the tree
#   keep_packages      gives new packages to the cache
#   tidy_tree          removes what only the tool needed, and writes the image's list of repositories
#
# Environment: WORK      directory for this run; holds pins, fstab, disk.sfdisk, added (more files of the
#                        image, unless a tree is there already) and the tool's files; gets packages
#              MEMORY    size of the tmpfs to work in, in bytes; 0 to work on the disk
#              CACHE     packages and lists of earlier runs, shared with runs at the same time
#              EMULATION rule for binfmt_misc that runs programs of ARCH; empty if the kernel runs them already
#              RELEASE ARCH PACKAGES          what to install; packages separated by commas
#              EPOCH     when the repositories were last changed, in seconds since 1970; nothing made is newer
#              DISK_SIZE ROOT_ARGUMENTS EFI_SECTOR EFI_KIB EFI_ID    the disk; the file `file-systems` in WORK has a line
#                        `TYPE OFFSET KIB UUID HASH_SEED LABEL MOUNT` for each file system and swap space,
#                        where TYPE is `archive` if the guest makes it
#              TARGET    the qcow2 file to make; its directory gets an archive LABEL.tar of what such a file system is to hold
# Lines that begin with `goldsmith:` and `goldsmith-bytes:` are for the caller.

umask 022
export LC_ALL=C.UTF-8
export PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin

mnt=$WORK/mnt
tree=$mnt/tree
raw=$mnt/disk.raw
# The rule is one of this user namespace, and ends with it.
if [ -n "$EMULATION" ]; then
    mkdir "$WORK/binfmt"
    if ! mount -t binfmt_misc binfmt_misc "$WORK/binfmt" 2>"$WORK/said" ||
        ! { printf '%s' "$EMULATION" >"$WORK/binfmt/register"; } 2>"$WORK/said"; then
        mv "$WORK/said" "$WORK/no-emulation"
        exit 1
    fi
fi
if [ "$MEMORY" != 0 ]; then
    mount -t tmpfs -o "size=$MEMORY,mode=0755" goldsmith "$mnt"
fi
mkdir -p "$tree" "$CACHE"
mkdir -m 1777 "$mnt/tmp"
export TMPDIR="$mnt/tmp" # what is left there goes with all the rest

# Gives the file $1 of a package to the directory $2 of the cache. It appears there under its name when it is complete.
keep_file() {
    name=${1##*/}
    if [ ! -e "$1" ]; then
        return
    elif [ -e "$2/$name" ]; then
        touch -c "$2/$name"
    else
        cp "$1" "$2/.$name.$$" && mv "$2/.$name.$$" "$2/$name"
    fi
}

# Prints the sum of the sizes of the files that the arguments name for find; some may vanish meanwhile.
size_of_files() {
    find "$@" -type f -printf '%s\n' 2>/dev/null | awk '{ sum += $1 } END { printf "%.0f\n", sum }'
}

# Tells once a second how many bytes have arrived, whenever there are more.
watch_downloads() {
    before=$(downloaded)
    last=$before
    while sleep 1; do
        now=$(downloaded)
        if [ "$now" -gt "$last" ]; then
            echo "goldsmith-bytes: $((now - before))"
            last=$now
        fi
    done
}

take_cache
watch_downloads &
watcher=$!
status=0
install_packages || status=$?
kill "$watcher" 2>/dev/null || :
if [ "$status" != 0 ]; then
    keep_packages
    exit "$status"
fi

echo 'goldsmith: make the file systems'
list_packages >"$WORK/packages"
keep_packages &
keeper=$!
tidy_tree
rm -f "$tree/etc/hostname"
[ -L "$tree/etc/resolv.conf" ] || : >"$tree/etc/resolv.conf"
[ -e "$tree/etc/hosts" ] || [ -L "$tree/etc/hosts" ] || printf '127.0.0.1 localhost\n::1 localhost ip6-localhost ip6-loopback\n' >"$tree/etc/hosts"
rm -f "$tree/etc/fstab" # a tree of others may have a link to anywhere
cp "$WORK/fstab" "$tree/etc/fstab"
[ ! -d "$WORK/added" ] || cp -R --no-preserve=mode,ownership "$WORK/added/." "$tree/"
# The day of the last change of every password: no account was made later than the packages.
for file in "$tree/etc/shadow" "$tree/etc/shadow-"; do
    if [ -e "$file" ] && [ ! -L "$file" ]; then
        awk -F : -v OFS=: -v "day=$((EPOCH / 86400))" '$3 > day { $3 = day } { print }' "$file" >"$WORK/shadow"
        cat "$WORK/shadow" >"$file"
        rm "$WORK/shadow"
    fi
done

# Only the host's root can make device nodes in a tree. For others they are written into the file system.
nodes=
if [ ! -e "$tree/dev/null" ]; then
    nodes='console:600:5:1 full:666:1:7 null:666:1:3 ptmx:666:5:2 random:666:1:8 tty:666:5:0 urandom:666:1:9 zero:666:1:5'
    mkdir -p "$tree/dev/pts"
    mkdir -p -m 1777 "$tree/dev/shm"
    for link in fd: stdin:/0 stdout:/1 stderr:/2; do
        ln -sf "/proc/self/fd${link#*:}" "$tree/dev/${link%%:*}"
    done
fi

truncate -s "$DISK_SIZE" "$raw"
sfdisk --quiet --no-reread --no-tell-kernel "$raw" <"$WORK/disk.sfdisk"
if [ -n "$EFI_SECTOR" ]; then
    mkdir -p "$tree/boot/efi"
    # It warns about the size of the file, which is not that of the partition.
    mkfs.vfat -F 32 -s 1 -n EFI -i "$EFI_ID" --offset "$EFI_SECTOR" "$raw" "$EFI_KIB" >/dev/null 2>"$WORK/vfat" || { cat "$WORK/vfat"; exit 1; }
fi
# What has a file system of its own leaves the tree, the innermost directories first.
mkdir "$mnt/parts"
while read -r kind offset kib uuid seed label mount; do
    case $kind:$mount in
        swap:* | *:/) continue ;;
    esac
    mkdir -p "$tree$mount"
    mv "$tree$mount" "$mnt/parts/$label"
    mkdir "$tree$mount"
    chmod --reference="$mnt/parts/$label" "$tree$mount"
    chown --reference="$mnt/parts/$label" "$tree$mount"
done <"$WORK/file-systems"
# Compiled Python modules bear the times of their sources.
find "$tree" "$mnt/parts" -xdev -newermt "@$EPOCH" ! -name '*.py' -exec touch --no-dereference --date="@$EPOCH" {} +
# The packages of some distributions bring the files of the EFI system partition.
if [ -n "$EFI_SECTOR" ] && [ -n "$(ls -A "$tree/boot/efi")" ]; then
    SOURCE_DATE_EPOCH=$EPOCH mcopy -s -m -i "$raw@@$((EFI_SECTOR * 512))" "$tree"/boot/efi/* ::
    find "$tree/boot/efi" -mindepth 1 -delete
fi
while read -r kind offset kib uuid seed label mount; do
    directory=$mnt/parts/$label
    [ "$mount" != / ] || directory=$tree
    [ "$mount" != / ] || root=$kind:$offset
    # The journal, inodes and the part that is kept for root take their share.
    used=0
    [ "$kind" = swap ] || used=$(du -sk --one-file-system "$directory" | cut -f 1)
    share=$((used / 8 + 131072))
    [ "$mount" = / ] || [ "$kind" = archive ] || share=$((used / 8 + 16384))
    if [ $((used + share)) -gt "$kib" ]; then
        echo "$((used + share)) $mount" >"$WORK/too-small"
        exit 1
    fi
    case $kind in
        ext4)
            # The features are those that the boot loaders and kernels of every supported release can read, whatever the host's
            # mke2fs.conf says. The file is zero where nothing was written.
            mke2fs -q -F -t ext4 -T default -b 4096 -I 256 -L "$label" -U "$uuid" -d "$directory" \
                -O none,has_journal,ext_attr,resize_inode,dir_index,filetype,extent,64bit,flex_bg,sparse_super,large_file \
                -O huge_file,dir_nlink,extra_isize,metadata_csum \
                -E "offset=$offset,hash_seed=$seed,lazy_itable_init=0,lazy_journal_init=0,nodiscard" \
                "$raw" "${kib}k"
            ;;
        archive)
            # Only a kernel fills it: the guest makes it of this archive. What this host's SELinux says of its files is not for the image.
            env --unset=TAR_OPTIONS tar --create --file="${TARGET%/*}/$label.tar" --blocking-factor=128 --format=posix --sort=name \
                --numeric-owner --sparse --pax-option=delete=atime,delete=ctime \
                --xattrs '--xattrs-include=*' --xattrs-exclude=security.selinux --directory="$directory" .
            ;;
        *)
            truncate -s "${kib}K" "$mnt/part"
            if [ "$kind" = btrfs ]; then
                mkfs.btrfs --quiet --uuid "$uuid" --label "$label" --rootdir "$directory" "$mnt/part"
            else
                mkswap --uuid "$uuid" --label "$label" "$mnt/part" >/dev/null
            fi
            # Holes stay holes.
            dd if="$mnt/part" of="$raw" bs=1M seek=$((offset / 1048576)) conv=notrunc,sparse status=none
            rm "$mnt/part"
            ;;
    esac
done <"$WORK/file-systems"
# A file system of another kind gets none: the kernel makes them in its own file system, which covers this directory.
case $root in
    ext4:*) ;;
    *) nodes= ;;
esac
if [ -n "$nodes" ]; then
    echo 'cd /dev' >"$WORK/nodes" # mknod takes a path for a name
    for node in $nodes; do
        IFS=: read -r name mode major minor <<X
$node
X
        printf 'mknod %s c %s %s\nset_inode_field %s mode 020%s\n' "$name" "$major" "$minor" "$name" "$mode"
    done >>"$WORK/nodes"
    debugfs -w -f "$WORK/nodes" "$raw?offset=${root#*:}" >/dev/null 2>&1
fi

echo 'goldsmith: write the disk'
qemu-img convert -W -m 8 -f raw -O qcow2 "$raw" "$TARGET"
wait "$keeper"
