#!/bin/sh
# Copies an OCI image of Goldsmith into the storage of podman, runs its commands in containers, and builds an image of packages in one. It needs
# podman and skopeo. The mirror is that of this machine's apt. PODMAN has further options of podman, such as `--runtime runc`.
# Usage: packaging/test_container.sh [DIR of the image, default: target/packages/goldsmith-oci]
set -eu
image=$(realpath "${1:-target/packages/goldsmith-oci}")
cd "$(dirname "$0")/.."
. packaging/facts.sh
name=localhost/goldsmith:$version
work=$(mktemp -d "${TMPDIR:-/var/tmp}/goldsmith-container-XXXXXX")
trap 'rm -rf "$work"' EXIT
mirror() { apt-get indextargets --format '$(SITE)' 'Created-By: Packages' "Label: $1" | head -n 1; }
packages=$(mirror Debian)
security=$(mirror Debian-Security)
[ "$packages" ] && [ "$security" ] || { echo "test_container.sh: apt of this machine has no mirror of Debian" >&2; exit 1; }
printf '%s\n' 'mirrors:' "  debian: { main: $packages, security: $security }" >"$work/goldsmith.yaml"
printf '%s\n' 'name: small' 'base: { bootstrap: { distro: debian, release: bookworm } }' 'disk: { size: 1GiB, layout: bios }' \
    'steps: { configure: [ { write: { path: /etc/motd, content: built } } ] }' 'checks: [ { path-exists: /etc/motd } ]' \
    'outputs: [ { format: qcow2 } ]' >"$work/small.yaml"
skopeo copy --quiet "oci:$image:$version" "containers-storage:$name"
goldsmith() { podman ${PODMAN:-} run --rm --network host -v "$work:/project" "$@"; }
goldsmith "$name" --version
# Without the right to mount, a base of packages is refused with the reason, and doctor knows it.
goldsmith "$name" doctor | tee "$work/doctor"
grep -q 'CAP_SYS_ADMIN' "$work/doctor"
if goldsmith "$name" build small.yaml >"$work/log" 2>&1; then echo "test_container.sh: the build should have failed" >&2; exit 1; fi
grep -q 'CAP_SYS_ADMIN' "$work/log" || { cat "$work/log" >&2; exit 1; }
goldsmith --cap-add SYS_ADMIN "$name" doctor
goldsmith --cap-add SYS_ADMIN "$name" build small.yaml
digest=$(sha256sum "$work/out/small/small.qcow2" | cut -d ' ' -f 1)
printf '%s\n' 'name: upon' "base: { image: { source: out/small/small.qcow2, sha256: $digest } }" \
    'steps: { configure: [ { write: { path: /etc/motd, content: again } } ] }' 'outputs: [ { format: qcow2 } ]' >"$work/upon.yaml"
goldsmith --security-opt no-new-privileges "$name" build upon.yaml
test -s "$work/out/upon/upon.qcow2"
echo "test_container.sh: goldsmith works in a container"
