#!/bin/sh
# Memory and disk of builds: the peak memory of everything that a build starts (shared pages counted once), and the bytes that all
# of it writes, against the bytes of the image: for a build whose last configure step changed, and for a cold one.
# Run it as root, on an idle machine. Usage: resources.sh [CACHE, default a new one]
# GOLDSMITH=PROGRAM measures that program in place of a release build.
set -eu
cd "$(dirname "$0")/.."
[ -n "${GOLDSMITH:-}" ] || cargo build --quiet --release --locked
goldsmith=${GOLDSMITH:-$PWD/target/release/goldsmith}
work=$(mktemp -d "${TMPDIR:-/var/tmp}/goldsmith-bench.XXXXXX")
trap 'rm -rf "$work"' EXIT; trap 'exit 130' INT TERM
cache=${1:-$work/cache}
accel=tcg
"$goldsmith" doctor --json | tr -d ' \n' | grep -q '"name":"kvm","status":"ok"' && accel=kvm
export LIBGUESTFS_BACKEND_SETTINGS=force_$accel

recipe() {
    awk '/^(steps|verify):/ { skip = 1; next } /^[a-z]/ { skip = 0 } !skip' recipes/debian-12.yaml
    printf 'steps:\n  configure:\n    - write: { path: /etc/motd, content: "%s" }\n' "$1"
}
# Prints a process and all below it.
tree() {
    ps -e -o pid=,ppid= | awk -v root="$1" '{ parent[$1] = $2 } END {
        for (pid in parent) { up = pid; while (up in parent && up != root && up > 1) up = parent[up]; if (up == root) print pid } }'
}
# Memory of a process and all below it (kB).
memory() {
    for pid in $(tree "$1"); do awk '/^Pss:/ { print $2 }' "/proc/$pid/smaps_rollup" 2>/dev/null || true; done |
        awk '{ sum += $1 } END { print sum + 0 }'
}
# Builds, and prints a row. The kernel adds what a process has written to its parent's account when the parent waits for it.
build() {
    name=$1
    sh -c '"$@" || exit; cat /proc/$$/io > "$0"' "$work/io" "$goldsmith" build "$work/recipe.yaml" --cache "$cache" \
        --out "$work/out" --accel "$accel" > "$work/log" 2>&1 & pid=$! peak=0
    while kill -0 "$pid" 2>/dev/null && ! grep -q '^State:.*zombie' "/proc/$pid/status" 2>/dev/null; do
        now=$(memory "$pid")
        [ "$now" -le "$peak" ] || peak=$now
        sleep 0.1
    done
    wait "$pid" || { tail -n 40 "$work/log" >&2; exit 1; }
    image=$(stat -c %s "$work"/out/*.qcow2)
    awk -v name="$name" -v peak="$peak" -v image="$image" '
        /^write_bytes/ { written = $2 } /^cancelled_write_bytes/ { cancelled = $2 }
        END { bytes = written - cancelled
              printf "%-34s %9.0f MB %9.0f MB %9.0f MB %8.1f\n", name, peak / 1024, bytes / 1e6, image / 1e6, bytes / image }' "$work/io"
}

printf '%-34s %12s %12s %12s %8s\n' "" "peak memory" "written" "image" "ratio"
recipe 0 > "$work/recipe.yaml"
# Fills the caches of packages and pins.
"$goldsmith" build "$work/recipe.yaml" --cache "$cache" --out "$work/out" --accel "$accel" > "$work/log" 2>&1 || { tail -n 40 "$work/log" >&2; exit 1; }
recipe "$(date +%s)" > "$work/recipe.yaml"
build "last configure step changed"
if [ $# = 0 ]; then
    rm -rf "$work/cache/layers" "$work/out"
    build "cold, packages cached"
fi
