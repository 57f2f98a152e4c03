#!/bin/sh
# Makes an OCI image of Debian with Goldsmith and all that it needs, a kernel for libguestfs too, and prints its directory. It needs
# mmdebstrap and umoci, and no root: user namespaces with subordinate ids do. Bases made of packages need a container with
# the right to mount, and images boot faster with /dev/kvm: `podman run --cap-add SYS_ADMIN --device /dev/kvm`.
# Usage: packaging/container.sh PACKAGE [DIR for the image, default: target/packages/goldsmith-oci] [RELEASE, default: bookworm]
set -eu
package=$(realpath "$1")
out=${2:-target/packages/goldsmith-oci}
release=${3:-bookworm}
[ ! -e "$out" ] || { echo "container.sh: $out is there already: name another directory" >&2; exit 1; }
mkdir -p "$(dirname "$out")"
out=$(realpath "$out")
cd "$(dirname "$0")/.."
. packaging/facts.sh
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
# The directory is read in another user namespace.
chmod 0755 "$work"
cp "$package" "$work/goldsmith.deb"
mirror=$(apt-get indextargets --format '$(SITE)' 'Created-By: Packages' 'Label: Debian' | head -n 1)
[ -n "$mirror" ] || { echo "container.sh: apt of this machine has no mirror of Debian" >&2; exit 1; }
# The mirror is this machine's, and nobody else's: the image gets Debian's own.
# The recommended packages have the kernel for libguestfs. mmdebstrap tells apt to leave them out.
mmdebstrap --quiet --variant=apt --mode="$([ "$(id -u)" = 0 ] && echo root || echo unshare)" \
    --customize-hook="copy-in $work/goldsmith.deb /" \
    --customize-hook='chroot "$1" apt-get install -qq -y -o APT::Install-Recommends=true /goldsmith.deb >"$1/install.log" 2>&1 ||
        { tail -n 40 "$1/install.log" >&2; exit 1; }' \
    --customize-hook='rm "$1/goldsmith.deb" "$1/install.log"; chmod 0644 "$1"/boot/vmlinuz-*' \
    --customize-hook="printf 'deb http://deb.debian.org/debian $release main\n' >\"\$1/etc/apt/sources.list\"" \
    --customize-hook='rm -rf "$1"/var/lib/apt/lists/* "$1"/var/cache/apt/*.bin "$1"/var/cache/apt/archives/*.deb "$1"/var/log/*' \
    "$release" "$work/root.tar" "$mirror"
umoci init --layout "$out"
umoci new --image "$out:$version"
umoci raw add-layer --image "$out:$version" --history.created "$(date -u -d "@$SOURCE_DATE_EPOCH" +%FT%TZ)" "$work/root.tar"
umoci config --image "$out:$version" --config.entrypoint goldsmith --config.workingdir /project --config.env LANG=C.UTF-8 \
    --config.label "org.opencontainers.image.title=goldsmith" --config.label "org.opencontainers.image.version=$version" \
    --config.label "org.opencontainers.image.licenses=Apache-2.0" --created "$(date -u -d "@$SOURCE_DATE_EPOCH" +%FT%TZ)"
umoci gc --layout "$out"
echo "$out"
