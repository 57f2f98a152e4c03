#!/bin/sh
# The same packages made into an image by mkosi, which runs in a tree of Debian 13: Debian 12 has no systemd-repart that it can use.
# Usage, as root: mkosi.sh RELEASE PACKAGES(comma separated) WORK OUTPUT.qcow2
# WORK keeps the tree, downloaded packages and indexes. The first call makes the tree; without network it fails.
set -eu
release=$1 packages=$2 work=$3 output=$4
root=$work/tree
[ "$(id -u)" = 0 ] || { echo "mkosi.sh: needs root" >&2; exit 1; }

# Prints the sources of a release: the mirrors are those of the machine's own apt.
sources() {
    apt-get indextargets --format '$(ORIGIN) $(REPO_URI) $(CODENAME)' 'Created-By: Packages' |
        awk '$1 == "Debian" { print $2, ($3 ~ /-security$/ ? "security" : "main") }' | sort -u |
        while read -r uri kind; do
            case $kind in
                main) suites="$1 $1-updates" ;;
                security) suites="$1-security" ;;
            esac
            printf 'Types: deb\nURIs: %s\nSuites: %s\nComponents: main\n' "$uri" "$suites"
            printf 'Signed-By: /usr/share/keyrings/debian-archive-keyring.gpg\n\n'
        done
}

if [ ! -e "$root/work" ]; then
    rm -rf "$root"
    mkdir -p "$work"
    tools=mkosi,systemd-repart,systemd,apt,ca-certificates,debian-archive-keyring,udev,kmod,cpio,zstd,mtools,dosfstools,e2fsprogs
    tools=$tools,grub2-common,grub-pc-bin,grub-efi-amd64-bin,fdisk,uidmap
    sources trixie >"$work/trixie.sources"
    mmdebstrap --quiet --mode=root --variant=minbase --skip=check/empty --aptopt='Apt::Install-Recommends "false"' \
        --include="$tools" trixie "$root" "$work/trixie.sources" >&2
    mkdir -p "$root/work/mkosi.sandbox/etc/apt/sources.list.d" "$root/work/out" "$root/work/cache" "$root/old"
fi
sources "$release" >"$root/work/mkosi.sandbox/etc/apt/sources.list.d/mkosi.sources"
cat >"$root/work/mkosi.conf" <<END
[Distribution]
Distribution=debian
Release=$release

[Output]
Format=disk
ImageId=image
OutputDirectory=/work/out

[Content]
Bootable=yes
Bootloader=grub
BiosBootloader=grub
KernelCommandLine=console=tty0 console=ttyS0,115200n8
Packages=$packages

[Build]
PackageCacheDirectory=/work/cache
CacheDirectory=/work/cache
END
# A change of the root directory needs a mount of its own. mkosi makes namespaces of its own, and a chroot allows none.
unshare --mount --pid --fork --kill-child sh -eu -s "$root" >&2 <<'END'
mount --rbind "$1" "$1"
mount --make-rprivate "$1"
cd "$1"
mount -t proc proc proc
for directory in sys dev; do mount --rbind /$directory $directory; done
for directory in tmp run; do mount -t tmpfs tmpfs $directory; done
cp -L /etc/resolv.conf /etc/hosts etc/
pivot_root . old
umount -l /old
cd /work
exec mkosi --force build </dev/null
END
qemu-img convert -q -O qcow2 -c -o compression_type=zstd "$root/work/out/image.raw" "$output"
