#!/bin/sh
# Installs the .rpm by dnf in a fresh root, and runs the main job in it. The root is of the synthetic distribution that the tests use: Fedora's
# names for Debian's programs, with libguestfs and QEMU among them. Debian's libguestfs cannot make its appliance there, so this machine makes
# it. Needs root, dnf, rpm and libguestfs-make-fixed-appliance, and takes several minutes.
# Usage: packaging/test_rpm.sh PACKAGE IMAGE, where IMAGE is a disk image of Linux, as the base of the build. DISTRIBUTION names a directory that
# keeps the synthetic distribution for further runs.
set -eu
package=$(realpath "$1") image=$(realpath "$2")
cd "$(dirname "$0")/.."
support=$PWD/tests/support/rpm_distro
work=$(mktemp -d "${TMPDIR:-/var/tmp}/goldsmith-rpm-XXXXXX")
trap 'rm -rf --one-file-system "$work"' EXIT
distribution=${DISTRIBUTION:-$work/distribution}
[ -d "$distribution" ] ||
    MORE=libguestfs0,qemu-system-x86,qemu-utils,xz-utils sh "$support/make.sh" "$work/debs" "$distribution"
unshare --mount --pid --fork --kill-child sh "$support/install.sh" "$distribution" "$work" bash coreutils findutils util-linux rpm \
    fedora-release kernel-core "$package"
root=$work/root
mkdir -p "$root/appliance" "$root/project"
libguestfs-make-fixed-appliance "$root/appliance" >/dev/null
cp "$image" "$root/project/base.img"
cat >"$root/job.sh" <<'JOB'
set -eu
export HOME=/root LANG=C.UTF-8 LIBGUESTFS_PATH=/appliance LIBGUESTFS_BACKEND=direct
rpm -q goldsmith
command -v goldsmith
goldsmith --version
rpm -ql goldsmith | grep man1/goldsmith-build.1
goldsmith doctor || true
cd /project
goldsmith init . --name web
goldsmith validate web.yaml
printf '%s\n' 'name: upon' "base: { image: { source: base.img, sha256: $(sha256sum base.img | cut -d ' ' -f 1) } }" \
    'steps: { configure: [ { write: { path: /etc/motd, content: again } } ] }' 'checks: [ { path-exists: /etc/motd } ]' \
    'outputs: [ { format: qcow2 } ]' >upon.yaml
goldsmith build upon.yaml
goldsmith ls
qemu-img check out/upon/upon.qcow2
JOB
unshare --mount --pid --fork --kill-child sh -c '
    mount --bind "$0" "$0" && mount -t proc proc "$0/proc" && mount --rbind /dev "$0/dev" && mount --rbind /sys "$0/sys" || exit 1
    exec chroot "$0" bash /job.sh' "$root"
echo "test_rpm.sh: goldsmith works where dnf has installed it"
