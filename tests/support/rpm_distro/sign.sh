#!/bin/sh
# Makes a signed repository of RPM packages: a key for this repository alone signs every package and the list of them.
# Usage: sign.sh RPMS OUT, where OUT gets key.asc and repo/
set -eu
rpms=$1 out=$2
# The agent's socket needs a short path.
GNUPGHOME=$(mktemp -d /tmp/rpm-distro.XXXXXX)
export GNUPGHOME RPM_FORCE_DEBIAN=1 GPG_TTY=
trap 'gpgconf --kill all; rm -rf "$GNUPGHOME"' EXIT
trap 'exit 143' HUP INT TERM
name='Synthetic distribution for tests'
gpg --batch --quiet --passphrase '' --quick-generate-key "$name" rsa2048 sign never
mkdir -p "$out/repo"
gpg --batch --quiet --armor --export >"$out/key.asc"
# Two processes, one for each core of a small machine.
find "$rpms" -name '*.rpm' -print0 | xargs -0 -P 2 -n 40 rpmsign --addsign --define "_gpg_name $name" \
    --define "_gpg_path $GNUPGHOME" --define "__gpg $(command -v gpg)" >"$GNUPGHOME/said" 2>&1 || { cat "$GNUPGHOME/said" >&2; exit 1; }
mv "$rpms"/*.rpm "$out/repo/"
createrepo_c --quiet --compress-type=gz --no-database "$out/repo"
gpg --batch --quiet --armor --detach-sign "$out/repo/repodata/repomd.xml"
