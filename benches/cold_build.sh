#!/bin/sh
# Goldsmith against the same work by hand (plain_pipeline.sh), and by mkosi where it can be installed (mkosi.sh): cold build,
# nothing changed, last configure step changed, freezing a layer, peak memory. Package caches are warm on both sides; runs alternate; medians.
# Run it as root, on an idle machine. Usage: cold_build.sh [RUNS, default 3]
set -eu
cd "$(dirname "$0")/.."
runs=${1:-3}
cargo build --quiet --release --locked
goldsmith=$PWD/target/release/goldsmith
work=$(mktemp -d "${TMPDIR:-/var/tmp}/goldsmith-bench.XXXXXX")
trap 'rm -rf "$work"' EXIT; trap 'exit 130' INT TERM
accel=tcg
"$goldsmith" doctor --json | tr -d ' \n' | grep -q '"name":"kvm","status":"ok"' && accel=kvm
export LIBGUESTFS_BACKEND_SETTINGS=force_$accel

# The recipe without `verify`, which has no counterpart by hand, and with a last configure step that changes, in place of its
# own small steps if it has any.
recipe() {
    awk '/^(steps|verify):/ { skip = 1; next } /^[a-z]/ { skip = 0 } !skip' recipes/debian-12.yaml
    printf 'steps:\n  configure:\n    - write: { path: /etc/motd, content: "%s" }\n' "$1"
}
# Runs a command, and notes its wall time in seconds under a name.
clock() {
    name=$1 start=$(date +%s.%N)
    shift
    "$@" > "$work/log" 2>&1 || { tail -n 40 "$work/log" >&2; exit 1; }
    echo "$start $(date +%s.%N)" | awk '{ printf "%.3f\n", $2 - $1 }' >> "$work/$name"
}
# A build that notes the peak memory of goldsmith itself (kB); that of its children is not in it.
build() {
    "$goldsmith" build "$work/recipe.yaml" --cache "$work/cache" --out "$work/out" --accel "$accel" & pid=$! last=0
    while peak=$(awk '/^VmHWM/ { print $2 }' "/proc/$pid/status" 2>/dev/null); [ -n "$peak" ]; do
        last=$peak
        sleep 0.05
    done
    echo "$last" >> "$work/memory"
    wait "$pid"
}
plain() { benches/plain_pipeline.sh "$release" "$packages" "$work/debs" "$work/plain.qcow2"; }
cold() { rm -rf "$work/cache/layers" "$work/out"; build; }

recipe 0 > "$work/recipe.yaml"
plan=$("$goldsmith" plan "$work/recipe.yaml" --cache "$work/cache" --json)
packages=$(printf '%s' "$plan" | jq -r '.plan.packages | keys | join(",")')
release=$(printf '%s' "$plan" | jq -r '.plan.base.bootstrap.source.release')

echo "warming the package caches ($(nproc) processors, $accel)" >&2
clock warm plain
clock warm build
rm "$work/memory"
# mkosi makes its tools and its cache now, or there is no row of it.
with_mkosi=yes
mkosi() { benches/mkosi.sh "$release" "$packages" "$work/mkosi-tools" "$work/mkosi.qcow2"; }
mkosi > "$work/log" 2>&1 || { with_mkosi=no; tail -n 3 "$work/log" >&2; echo "mkosi cannot be measured here" >&2; }
for run in $(seq "$runs"); do
    echo "run $run of $runs" >&2
    clock plain plain
    [ $with_mkosi = no ] || clock mkosi mkosi
    clock cold cold
    find "$work/out" -name build.log -exec grep -oE 'frozen in [0-9.]+ ms' {} + | grep -oE '[0-9.]+ ms' | cut -d' ' -f1 >> "$work/freeze" || true
    clock unchanged build
    recipe "$run" > "$work/recipe.yaml"
    clock changed build
done
benches/report.sh "$work"
