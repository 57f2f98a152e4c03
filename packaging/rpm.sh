#!/bin/sh
# Makes an .rpm of the program, and prints its name. It needs rpmbuild and binutils, and no root. The package works where the C library is
# as new as on the machine that built the program. PROGRAM names a program that is built already, and PAYLOAD how rpm packs the files.
# Usage: packaging/rpm.sh [DIR for the package, default: target/packages]
set -eu
mkdir -p "${1:-target/packages}"
out=$(realpath "${1:-target/packages}")
[ -z "${PROGRAM:-}" ] || PROGRAM=$(realpath "$PROGRAM")
cd "$(dirname "$0")/.."
. packaging/facts.sh
program
PROGRAM=$(realpath "$PROGRAM")
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
rpmbuild -bb --quiet --define "_topdir $work" --define "_sourcedir $PWD" --define "program $PROGRAM" \
    --define "goldsmith_version $version" --define "_binary_payload ${PAYLOAD:-w19.zstdio}" --define "use_source_date_epoch_as_buildtime 1" --define "_buildhost goldsmith" \
    --define "source_date_epoch_from_changelog 0" packaging/goldsmith.spec >&2
find "$work/RPMS" -name '*.rpm' | while read -r package; do
    install -m 0644 "$package" "$out/"
    echo "$out/${package##*/}"
done
