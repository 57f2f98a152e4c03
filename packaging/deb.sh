#!/bin/sh
# Makes a .deb of the program, and prints its name. It needs dpkg-dev and binutils, and no root. The package works on the release of
# Debian on which it is built, and on later ones: build it on the oldest.
# PROGRAM names a program that is built already, and COMPRESSION what packs the files. Usage: packaging/deb.sh [DIR for the package, default: target/packages]
set -eu
mkdir -p "${1:-target/packages}"
out=$(realpath "${1:-target/packages}")
[ -z "${PROGRAM:-}" ] || PROGRAM=$(realpath "$PROGRAM")
cd "$(dirname "$0")/.."
. packaging/facts.sh
program
arch=$(dpkg --print-architecture)
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
# dpkg-shlibdeps wants a source package, of which it reads only this.
root=$work/debian/goldsmith
mkdir "$work/debian"
printf 'Source: goldsmith\n\nPackage: goldsmith\nArchitecture: any\n' >"$work/debian/control"
umask 022

packaging/stage.sh "$PROGRAM" "$root"
doc=$root/usr/share/doc/goldsmith
{
    printf 'Format: https://www.debian.org/doc/packaging-manuals/copyright-format/1.0/\n'
    printf 'Upstream-Name: goldsmith\n\nFiles: *\nCopyright: %s the Goldsmith developers\nLicense: Apache-2.0\n' \
        "$(date -d "@$SOURCE_DATE_EPOCH" +%Y)"
    printf ' On Debian systems, the full text of the Apache License 2.0 is in\n /usr/share/common-licenses/Apache-2.0.\n'
} >"$doc/copyright"
{
    printf 'goldsmith (%s) unstable; urgency=medium\n\n' "$version"
    printf '  * Release %s; NEWS.gz lists the changes.\n\n' "$version"
    printf ' -- %s  %s\n' "$MAINTAINER" "$(date -R -d "@$SOURCE_DATE_EPOCH")"
} | gzip -9n >"$doc/changelog.gz"
mkdir -p "$root/usr/share/lintian/overrides"
{
    echo '# It reads the database of images, which it builds and inspects, and never that of its own system.'
    echo 'goldsmith: uses-dpkg-database-directly *'
} >"$root/usr/share/lintian/overrides/goldsmith"
gzip -9nc CHANGELOG.md >"$doc/NEWS.gz"

case $arch in
    amd64) qemu=qemu-system-x86 firmware=ovmf kernel=linux-image-amd64 ;;
    arm64) qemu=qemu-system-arm firmware=qemu-efi-aarch64 kernel=linux-image-arm64 ;;
    *) echo "deb.sh: goldsmith builds no images on $arch" >&2; exit 1 ;;
esac
libraries=$(cd "$work" && dpkg-shlibdeps -O debian/goldsmith/usr/bin/goldsmith | sed -n 's/^shlibs:Depends=//p')
size=$(du -sk --apparent-size "$root" | cut -f 1)

mkdir "$root/DEBIAN"
cat >"$root/DEBIAN/control" <<EOF
Package: goldsmith
Version: $version
Architecture: $arch
Maintainer: $MAINTAINER
Installed-Size: $size
Depends: $libraries, $qemu, qemu-utils
Recommends: debian-archive-keyring, dosfstools, e2fsprogs, fdisk, gpg, $kernel | linux-image-generic | linux-image-virtual | linux-image-cloud-$arch, libguestfs-xfs, mmdebstrap, openssh-client, openssl, $firmware, uidmap
Suggests: bash-completion, createrepo-c, dnf, erofs-utils, makepkg, mtools, pacman-package-manager, podman, qemu-user-static, rpm, squashfs-tools, zypper
Section: admin
Priority: optional
Description: $summary
 A recipe describes a disk image: the packages, elements and settings it has.
 Goldsmith builds the image without root and without mounting anything on the
 host, saves the disk after each step, boots the finished image as OpenStack
 does, checks it, and publishes it.
EOF
(cd "$root" && find usr -type f -print0 | sort -z | xargs -0 md5sum) >"$root/DEBIAN/md5sums"
find "$root" -exec touch -h -d "@$SOURCE_DATE_EPOCH" {} +
package=$out/goldsmith_${version}_$arch.deb
dpkg-deb --root-owner-group -Z"${COMPRESSION:-xz}" --build "$root" "$package" >/dev/null
echo "$package"
