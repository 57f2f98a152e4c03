#!/bin/sh
# Makes the files of a release: the source, the program with all that belongs to it, .deb, .rpm, the bill of materials, checksums, and a
# signature of the checksums. It needs a clean checkout, and what deb.sh and rpm.sh need; the signature needs minisign.
# KEY is the file of minisign's secret key. Its password, if it has one, is read from standard input.
# Usage: packaging/release.sh DIR [KEY]
set -eu
[ $# -ge 1 ] || { echo 'usage: packaging/release.sh DIR [KEY]' >&2; exit 2; }
mkdir -p "$1"
out=$(realpath "$1")
key=${2:+$(realpath "$2")}
[ -z "${PROGRAM:-}" ] || PROGRAM=$(realpath "$PROGRAM")
[ -z "$(ls -A "$out")" ] || { echo "release.sh: $out is not empty: name another directory" >&2; exit 1; }
[ -z "$key" ] || command -v minisign >/dev/null || { echo 'release.sh: minisign is missing: install it, or leave out the key' >&2; exit 1; }
cd "$(dirname "$0")/.."
[ -z "$(git status --porcelain)" ] || { echo 'release.sh: the checkout has changes: commit them first' >&2; exit 1; }
. packaging/facts.sh
program
PROGRAM=$(realpath "$PROGRAM")
export PROGRAM
case $("$PROGRAM" -V) in
    "goldsmith $version") ;;
    *) echo "release.sh: $PROGRAM is not version $version" >&2; exit 1 ;;
esac
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
archive() { # NAME: packs a directory of $work, with the same bytes for the same content
    tar -C "$work" --sort=name --owner=0 --group=0 --numeric-owner --mtime="@$SOURCE_DATE_EPOCH" -cf - "$1" | gzip -9n >"$out/$1.tar.gz"
}
git archive --prefix="goldsmith-$version/" HEAD | gzip -9n >"$out/goldsmith-$version.tar.gz"
name=goldsmith-$version-linux-$(uname -m)
packaging/stage.sh "$PROGRAM" "$work/stage"
mv "$work/stage/usr" "$work/$name"
cp LICENSE CHANGELOG.md "$work/$name/"
archive "$name"
packaging/deb.sh "$out" >/dev/null
if command -v rpmbuild >/dev/null; then packaging/rpm.sh "$out" >/dev/null; else echo 'release.sh: no .rpm: rpmbuild is missing' >&2; fi
packaging/sbom.py "$PROGRAM" >"$out/goldsmith-$version.cdx.json"
(cd "$out" && find . -type f -printf '%f\n' | sort | xargs sha256sum) >"$work/SHA256SUMS"
mv "$work/SHA256SUMS" "$out/"
if [ "$key" ]; then
    minisign -S -s "$key" -t "goldsmith $version" -m "$out/SHA256SUMS" >/dev/null
else
    echo 'release.sh: without a key, SHA256SUMS has no signature' >&2
fi
ls "$out"
