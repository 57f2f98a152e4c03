#!/bin/sh
# Installs the .deb in a fresh root of a release of Debian, made of packages from this machine's own mirror, and runs the main job in it.
# As root it needs nothing else; otherwise it needs user namespaces with subordinate ids, in which another builder works as root.
# Usage: packaging/test_root.sh PACKAGE RELEASE
set -eu
package=$(realpath "$1")
release=$2
work=$(mktemp -d "${TMPDIR:-/var/tmp}/goldsmith-root-XXXXXX")
[ "$(id -u)" != 0 ] || root=yes
trap 'if [ "${root:-}" ]; then rm -rf --one-file-system "$work"; else unshare --map-auto --map-root-user rm -rf "$work"; fi' EXIT

# The mirrors of this machine's apt, whatever its release is. The build in the root takes them from there.
mirror() { apt-get indextargets --format '$(SITE)' 'Created-By: Packages' "Label: $1" | head -n 1; }
packages=$(mirror Debian)
security=$(mirror Debian-Security)
[ "$packages" ] && [ "$security" ] || { echo "test_root.sh: apt of this machine has no mirror of Debian" >&2; exit 1; }
mmdebstrap --quiet --variant=apt --mode="$([ "${root:-}" ] && echo root || echo unshare)" "$release" "$work/root" \
    "deb $packages $release main" "deb $packages $release-updates main" "deb $security $release-security main"
cp "$package" "$work/root/goldsmith.deb"
cat >"$work/root/job.sh" <<'JOB'
set -eu
export DEBIAN_FRONTEND=noninteractive HOME=/root LANG=C.UTF-8
apt-get update -qq
# The recommended packages are a part of what a user gets.
apt-get install -qq -y /goldsmith.deb >/install.log 2>&1 || { tail -n 40 /install.log; exit 1; }
command -v goldsmith
goldsmith --version
man_page=$(dpkg -L goldsmith | grep 'man1/goldsmith-build.1.gz')
test -s "$man_page"
goldsmith doctor
mkdir /project
goldsmith init /project --name web
cd /project
goldsmith validate web.yaml
printf '%s\n' 'name: small' "base: { bootstrap: { distro: debian, release: $1 } }" 'disk: { size: 1GiB, layout: bios }' \
    'steps: { configure: [ { write: { path: /etc/motd, content: built } } ] }' 'checks: [ { path-exists: /etc/motd } ]' \
    'outputs: [ { format: qcow2 } ]' >small.yaml
goldsmith build small.yaml
goldsmith ls
goldsmith log --step small
qemu-img check out/small/small.qcow2
JOB
enter() {
    unshare --mount --pid --fork --kill-child "$@" sh -c '
        # Builds make mounts private, which only mount points can be.
        mount --bind "$0" "$0" && mount -t proc proc "$0/proc" || exit 1
        mount --rbind /dev "$0/dev" && mount --rbind /sys "$0/sys" || exit 1
        cp /etc/resolv.conf "$0/etc/resolv.conf" 2>/dev/null || true
        exec chroot "$0" sh /job.sh "$1"' "$work/root" "$release"
}
if [ "${root:-}" ]; then enter; else enter --map-auto --map-root-user; fi
echo "test_root.sh: goldsmith works in a fresh root of $release"
