#!/bin/sh
# Makes a signed repository of RPM packages: a synthetic distribution with Fedora's names, made of packages of Debian 12.
# Usage: make.sh DEBS OUT. DEBS keeps Debian's packages for other runs. OUT, which must not exist, gets repo/ and key.asc.
# Who is not root needs ranges of user IDs in /etc/subuid and /etc/subgid.
set -eu
here=$(dirname "$(realpath "$0")")
debs=$(realpath -m "$1") out=$(realpath -m "$2")
[ ! -e "$out" ] || { echo "make.sh: $out exists" >&2; exit 1; }
if [ "$(id -u)" != 0 ]; then
    exec unshare --map-root-user --map-auto --mount --pid --fork --kill-child sh "$here/make.sh" "$debs" "$out"
fi
work=$out.work
rm -rf "$work"
mkdir -p "$work/out"
trap 'rm -rf "$work"' EXIT
trap 'exit 143' HUP INT TERM

step() {
    printf '%3d s: %s\n' "$(($(date +%s) - start))" "$1" >&2
}
start=$(date +%s)
export PYTHONDONTWRITEBYTECODE=1
step 'tree of Debian'
sh "$here/tree.sh" "$debs" "$work/tree"
step 'paths of Fedora'
python3 "$here/layout.py" "$work/tree" "$here/files" "$work/owners"
python3 "$here/spec.py" "$work/tree" "$work/owners" "$here/scriptlets" "$work"
step 'packages'
sh "$here/build.sh" "$work" "$work/tree"
step 'signatures'
sh "$here/sign.sh" "$work/rpms" "$work/out"
mv "$work/out" "$out"
step 'done'
