# Makes a disk of packages. Run by `sh -eu -c` as root (of the host or of a user namespace) in mount, PID, IPC
# and UTS namespaces of its own, so that whatever ends it takes every process and mount with it.
#
# Environment: WORK      directory for this run; holds sources.list, pins, fstab, disk.sfdisk; gets packages
#              MEMORY    size of the tmpfs to work in, in bytes; 0 to work on the disk
#              CACHE     packages and lists of earlier runs, shared with runs at the same time
#              EMULATION rule for binfmt_misc that runs programs of ARCH; empty if the kernel runs them already
#              RELEASE ARCH PACKAGES          what to install; packages separated by commas
#              EPOCH     when the repositories were last changed, in seconds since 1970; nothing made is newer
#              DISK_SIZE ROOT_OFFSET ROOT_KIB ROOT_UUID HASH_SEED EFI_SECTOR EFI_KIB EFI_ID    the disk
#              TARGET    the qcow2 file to make
# Lines that begin with `goldsmith:` are for the caller.

umask 022
export LC_ALL=C.UTF-8 DEBIAN_FRONTEND=noninteractive DEBCONF_NONINTERACTIVE_SEEN=true
export PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin

mnt=$WORK/mnt
tree=$mnt/tree
raw=$mnt/disk.raw
archives=$tree/var/cache/apt/archives
lists=$tree/var/lib/apt/lists
unsafe_io=--dpkgopt=force-unsafe-io # the disk is not needed before it is complete
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
mkdir -p "$archives/partial" "$lists/partial" "$CACHE"
mkdir -m 1777 "$mnt/tmp"
export TMPDIR="$mnt/tmp" # what is left there goes with all the rest

# Digests of the InRelease files in a directory; the pins are in the same form.
digests() {
    find "$1" -maxdepth 1 -name '*InRelease' -exec sha256sum {} + | cut -d ' ' -f 1 | sort
}

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

# Gives new packages to the cache; each appears under its name when it is complete.
keep_packages() {
    for package in "$mnt"/packages/*.deb; do
        name=${package##*/}
        if [ ! -e "$package" ]; then
            continue
        elif [ -e "$CACHE/$name" ]; then
            touch -c "$CACHE/$name"
        else
            cp "$package" "$CACHE/.$name.$$" && mv "$CACHE/.$name.$$" "$CACHE/$name"
        fi
    done
    # Nothing has wanted these for a month; the unfinished ones are of runs that were ended.
    find "$CACHE" -maxdepth 1 \( -name '*.deb' -mtime +30 -o -name '.*' -type f -mtime +1 \) -delete
    find "$CACHE" -maxdepth 1 -name 'lists-*' -mtime +3 -exec rm -rf {} +
}
take_packages_out() {
    mkdir -p "$mnt/packages"
    find "$archives" -maxdepth 1 -name '*.deb' -exec mv -t "$mnt/packages" {} +
}

# Kernel packages make an initramfs when they are configured and triggers make it again at the end; INITRD=No
# leaves out the former, and the hook makes up for it if no trigger did.
export INITRD=No
# An initramfs has no time of its making if SOURCE_DATE_EPOCH is set. Its own scripts read that from a file here: in the
# environment it would also let Python compile modules in a way that reads the source at every import.
status=0
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
    "$RELEASE" "$tree" "$WORK/sources.list" || status=$?
take_packages_out
if [ "$status" != 0 ]; then
    keep_packages
    exit "$status"
fi

echo 'goldsmith: make the file systems'
dpkg-query --admindir="$tree/var/lib/dpkg" --show \
    --showformat='${db:Status-Status} ${Package} ${Version} ${Architecture}\n' >"$WORK/packages"
if [ ! -d "$known" ]; then
    mkdir -p "$CACHE/.lists.$$"
    find "$lists" -maxdepth 1 -type f ! -name lock -exec cp -p -t "$CACHE/.lists.$$" {} +
    # Another run may have been faster.
    mv -T "$CACHE/.lists.$$" "$known" 2>/dev/null || rm -rf "$CACHE/.lists.$$"
fi
keep_packages &
keeper=$!
find "$lists" "$tree/var/cache/apt" -type f -delete
# apt gives them to a user of its own when it downloads, and takes them as they are when all was here already.
chown 0:0 "$archives/partial" "$lists/partial"
chmod 0700 "$archives/partial" "$lists/partial"
rm -f "$tree/etc/apt/apt.conf.d/99mmdebstrap" "$tree/etc/dpkg/dpkg.cfg.d/99mmdebstrap" "$tree/etc/hostname"
[ -L "$tree/etc/resolv.conf" ] || : >"$tree/etc/resolv.conf"
[ -e "$tree/etc/hosts" ] || printf '127.0.0.1 localhost\n::1 localhost ip6-localhost ip6-loopback\n' >"$tree/etc/hosts"
cp "$WORK/fstab" "$tree/etc/fstab"
rm -f "$tree"/etc/apt/sources.list.d/0000*
cp "$WORK/sources.list" "$tree/etc/apt/sources.list"
rm -f "$tree/usr/share/initramfs-tools/conf-hooks.d/goldsmith"
(cd "$tree/usr/share" && rmdir -p --ignore-fail-on-non-empty initramfs-tools/conf-hooks.d)
# The day of the last change of every password: no account was made later than the packages.
for file in "$tree/etc/shadow" "$tree/etc/shadow-"; do
    if [ -e "$file" ]; then
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
# Compiled Python modules bear the times of their sources.
find "$tree" -xdev -newermt "@$EPOCH" ! -name '*.py' -exec touch --no-dereference --date="@$EPOCH" {} +
used=$(du -sk --one-file-system "$tree" | cut -f 1)
# The journal, inodes and the part that is kept for root take their share.
if [ $((used + used / 8 + 131072)) -gt "$ROOT_KIB" ]; then
    echo $((used + used / 8 + 131072)) >"$WORK/too-small"
    exit 1
fi
# The features are those that the boot loaders and kernels of every supported release can read, whatever the host's
# mke2fs.conf says. The file is zero where nothing was written.
mke2fs -q -F -t ext4 -T default -b 4096 -I 256 -L root -U "$ROOT_UUID" -d "$tree" \
    -O none,has_journal,ext_attr,resize_inode,dir_index,filetype,extent,64bit,flex_bg,sparse_super,large_file \
    -O huge_file,dir_nlink,extra_isize,metadata_csum \
    -E "offset=$ROOT_OFFSET,hash_seed=$HASH_SEED,lazy_itable_init=0,lazy_journal_init=0,nodiscard" \
    "$raw" "${ROOT_KIB}k"
if [ -n "$nodes" ]; then
    echo 'cd /dev' >"$WORK/nodes" # mknod takes a path for a name
    for node in $nodes; do
        IFS=: read -r name mode major minor <<X
$node
X
        printf 'mknod %s c %s %s\nset_inode_field %s mode 020%s\n' "$name" "$major" "$minor" "$name" "$mode"
    done >>"$WORK/nodes"
    debugfs -w -f "$WORK/nodes" "$raw?offset=$ROOT_OFFSET" >/dev/null 2>&1
fi

echo 'goldsmith: write the disk'
qemu-img convert -W -m 8 -f raw -O qcow2 "$raw" "$TARGET"
wait "$keeper"
