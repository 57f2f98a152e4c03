#!/bin/sh
# Makes a tree of Debian 12 with the packages that become the RPM packages of the synthetic distribution. Packages are
# kept in a directory and not downloaded twice. The mirrors are those of the machine's own apt, else those of mmdebstrap.
# Usage, as root or as root of a user namespace: tree.sh DIRECTORY_OF_DEBS TREE. MORE has the names of further packages, with commas between them.
set -eu
debs=$1 tree=$2
release=bookworm
packages=systemd,systemd-sysv,libpam-systemd,udev,dbus,kmod,e2fsprogs,dosfstools,iproute2,iputils-ping
packages=$packages,procps,ca-certificates,tzdata,chrony,linux-image-cloud-amd64,dracut,network-manager,openssh-server
packages=$packages,cloud-init,sudo,cloud-guest-utils,grub2-common,grub-pc-bin,grub-efi-amd64-bin,grub-efi-amd64-signed
packages=$packages,shim-signed,efibootmgr,fdisk,qemu-guest-agent,dnf,rpm,zstd,gpg,curl,xfsprogs,btrfs-progs,policycoreutils
packages=$packages,locales,kbd,less,vim-tiny,cpio,file,gawk${MORE:+,$MORE}
mkdir -p "$debs"
. "$(dirname "$(realpath "$0")")/../debian_sources.sh"
sources=$(debian_sources)

# Fedora's kernel package has no hooks of Debian's, and manuals and translations are only weight. dracut's own script calls its
# hook, which would make an initramfs that no package contains: here it does nothing.
printf '%s\n' "$sources" | mmdebstrap --quiet --mode=root --variant=apt --format=directory --include="$packages" \
    --hook-dir=/usr/share/mmdebstrap/hooks/maybe-merged-usr \
    --skip=check/empty,check/qemu,download/empty,essential/unlink,cleanup/apt/cache \
    --aptopt='Apt::Install-Recommends "false"' --aptopt='Acquire::Languages "none"' --aptopt='Acquire::Retries "3"' \
    --dpkgopt=force-unsafe-io --dpkgopt='path-exclude=/etc/kernel/*' --dpkgopt='path-exclude=/usr/share/doc/*' \
    --dpkgopt='path-exclude=/usr/share/man/*' --dpkgopt='path-exclude=/usr/share/locale/*' \
    --dpkgopt='path-exclude=/usr/share/info/*' --dpkgopt='path-exclude=/usr/share/lintian/*' \
    --essential-hook='mkdir -p "$1/etc/kernel/postinst.d"; ln -s /bin/true "$1/etc/kernel/postinst.d/dracut"' \
    --customize-hook='rm -r "$1/etc/kernel"' \
    --setup-hook='mkdir -p "$1/var/cache/apt/archives"' \
    --setup-hook="cp -nt \"\$1/var/cache/apt/archives\" $debs/*.deb 2>/dev/null || true" \
    --customize-hook="cp -nt '$debs' \"\$1\"/var/cache/apt/archives/*.deb" \
    $release "$tree" ${sources:+-}
