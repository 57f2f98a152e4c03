#!/bin/sh
# Downloads the packages of Debian 12 of which the synthetic distribution consists, with all that they depend on. The mirrors
# are those of the machine's own apt, else those of mmdebstrap.
# Usage, as root or as root of a user namespace: debs.sh DEBS POOL. DEBS keeps packages for other runs, POOL gets those of this one.
set -eu
debs=$(realpath -m "$1") pool=$(realpath -m "$2")
release=bookworm
packages='?essential apt systemd-sysv systemd-timesyncd systemd-resolved dbus libpam-systemd udev kmod e2fsprogs dosfstools iproute2
    netbase procps ca-certificates tzdata linux-image-cloud-amd64 initramfs-tools zstd netplan.io openssh-server cloud-init sudo
    cloud-guest-utils fdisk qemu-guest-agent grub2-common grub-pc-bin grub-efi-amd64-bin grub-efi-amd64-signed shim-signed ed'
mkdir -p "$debs"
sources=$(! command -v apt-get >/dev/null || apt-get indextargets --format '$(ORIGIN) $(REPO_URI) $(CODENAME)' 'Created-By: Packages' |
    awk -v release=$release '$1 == "Debian" && $3 ~ /-security$/ { print "deb " $2 " " release "-security main" }
        $1 == "Debian" && $3 !~ /-/ { print "deb " $2 " " release " main"; print "deb " $2 " " release "-updates main" }' |
    sort -u)

# The variant `custom` installs nothing: it makes a directory in which apt knows the repositories, and runs the hook there.
# grub-pc and grub-efi-amd64 exclude each other.
export DEBS="$debs" POOL="$pool" WANTED="$packages"
printf '%s\n' "$sources" | mmdebstrap --quiet --mode=root --variant=custom --format=null --skip=check/empty,check/qemu \
    --aptopt='Apt::Install-Recommends "false"' --aptopt='Acquire::Languages "none"' --aptopt='Acquire::Retries "3"' \
    --customize-hook='
        set -f
        archives=$1/var/cache/apt/archives
        mkdir -p "$archives/partial"
        find "$DEBS" -name "*.deb" -exec cp --reflink=auto -t "$archives" {} +
        export APT_CONFIG="$MMDEBSTRAP_APT_CONFIG"
        for boot in grub-pc grub-efi-amd64; do
            apt-get -q -y --download-only install $WANTED $boot >"$1/said" 2>&1 || { cat "$1/said" >&2; exit 1; }
            # Inst libc6 (2.36-9 Debian:12.0/stable [amd64])
            apt-get -q -y --simulate install $WANTED $boot |
                sed -n "s/^Inst \([^ ]*\) \(\[[^]]*\] \)\?(\([^ ]*\) .*\[\([a-z0-9]*\)\]).*/\1_\3_\4.deb/p"
        done | sed "s/:/%3a/" | sort -u >"$1/list"
        while read -r name; do
            cp --reflink=auto "$archives/$name" "$POOL"
            cp -n --reflink=auto "$archives/$name" "$DEBS"
        done <"$1/list"' \
    $release /dev/null ${sources:+-}
