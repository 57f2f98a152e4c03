#!/bin/sh
# Makes a signed apt repository: a synthetic distribution with Ubuntu's names, made of packages of Debian 12.
# Usage: make.sh DEBS OUT. DEBS keeps Debian's packages for other runs. OUT, which must not exist, gets repo/, a keyring
# key.gpg with two keys, the fingerprint of the one that signs the repository, and the other's (retired).
# Who is not root needs ranges of user IDs in /etc/subuid and /etc/subgid.
set -eu
here=$(dirname "$(realpath "$0")")
debs=$(realpath -m "$1") out=$(realpath -m "$2")
[ ! -e "$out" ] || { echo "make.sh: $out exists" >&2; exit 1; }
if [ "$(id -u)" != 0 ]; then
    exec unshare --map-root-user --map-auto --mount --pid --fork --kill-child sh "$here/make.sh" "$debs" "$out"
fi
work=$out.work
# The agent's socket needs a short path.
GNUPGHOME=$(mktemp -d /tmp/apt-distro.XXXXXX)
export GNUPGHOME GPG_TTY= PYTHONDONTWRITEBYTECODE=1
rm -rf "$work"
mkdir -p "$work/out/repo" "$work/pool"
trap 'gpgconf --kill all; rm -rf "$work" "$GNUPGHOME"' EXIT
trap 'exit 143' HUP INT TERM

step() {
    printf '%3d s: %s\n' "$(($(date +%s) - start))" "$1" >&2
}
start=$(date +%s)
step 'packages of Debian'
sh "$here/debs.sh" "$debs" "$work/pool"

step 'keys'
for name in signing retired; do
    gpg --batch --quiet --passphrase '' --quick-generate-key "Synthetic distribution for tests ($name)" rsa2048 sign never
    gpg --batch --with-colons --list-keys "($name)" | awk -F : '$1 == "fpr" { print $10; exit }' >"$work/out/$name"
done
mv "$work/out/signing" "$work/out/fingerprint"
gpg --batch --quiet --export >"$work/out/key.gpg"

step 'names of Ubuntu'
python3 "$here/repack.py" "$work/pool" "$here/files" "$work/out/key.gpg" "$work/packages" "$work/out/repo/pool"

step 'index'
python3 "$here/index.py" "$work/out/repo" "$(cat "$work/out/fingerprint")"
mv "$work/out" "$out"
step 'done'
