#!/bin/sh
# Goldsmith's one pass against qemu-img, sha256sum and sha512sum one after another, from the same chain of layers.
# Nothing but the export is done: all layers are cached. The page cache is warm on both sides; runs alternate;
# medians, and their ratios within this run. Needs jq. Run it on an idle machine. Usage: formats.sh [RUNS, default 3] [CACHE]
set -eu
cd "$(dirname "$0")/.."
runs=${1:-3}
cargo build --quiet --release --locked
goldsmith=$PWD/target/release/goldsmith
work=$(mktemp -d "${TMPDIR:-/var/tmp}/goldsmith-bench.XXXXXX")
trap 'rm -rf "$work"' EXIT; trap 'exit 130' INT TERM
cache=${2:-$work/cache}

# Runs a command, and notes its wall time in seconds under a name.
clock() {
    name=$1 start=$(date +%s.%N)
    shift
    "$@" > "$work/log" 2>&1 || { tail -n 40 "$work/log" >&2; exit 1; }
    echo "$start $(date +%s.%N)" | awk '{ printf "%.3f\n", $2 - $1 }' >> "$work/$name"
}
recipe() {
    sed '/^outputs:/,$d' recipes/debian-12.yaml > "$work/$1.yaml"
    printf 'checksums: [sha256, sha512]\noutputs: [%s]\n' "$2" >> "$work/$1.yaml"
}
# Exports, and notes the peak memory of goldsmith (kB).
ours() {
    "$goldsmith" build "$work/$1.yaml" --cache "$cache" --out "$work/ours" & pid=$! last=0
    while peak=$(awk '/^VmHWM/ { print $2 }' "/proc/$pid/status" 2>/dev/null); [ -n "$peak" ]; do
        last=$peak
        sleep 0.05
    done
    echo "$last" >> "$work/memory"
    wait "$pid"
}
# qemu-img as its manual has it for speed: out of order where the format allows it.
by_hand() {
    mkdir "$work/hand"
    for kind; do
        case $kind in
            qcow2) set -- -c -W -m 8 -O qcow2 -o compression_type=zstd ;;
            raw) set -- -W -m 8 -O raw ;;
            vmdk) set -- -O vmdk -o subformat=streamOptimized ;;
            vhd) set -- -O vpc -o subformat=dynamic,force_size=on ;;
        esac
        qemu-img convert -f qcow2 "$@" "$layer" "$work/hand/disk.$kind"
        sha256sum "$work/hand/disk.$kind"
        sha512sum "$work/hand/disk.$kind"
    done
}
median() { sort -n "$work/$1" | awk '{ v[NR] = $1 } END { print v[int((NR + 1) / 2)] }'; }
row() { printf '%-38s %8s %-3s %s\n' "$@"; }
against() { row "$1" "$(median "$2")" s "$(echo "$(median "$2") $(median "$3")" | awk '{ printf "%.2f", $1 / $2 }') of by hand ($4)"; }

recipe one '{ format: qcow2 }'
recipe four '{ format: qcow2 }, { format: raw }, { format: vmdk }, { format: vhd }'
"$goldsmith" build "$work/four.yaml" --cache "$cache" --out "$work/ours" > "$work/log" 2>&1 || { cat "$work/log" >&2; exit 1; }
layer=$cache/layers/$(jq -r .layer "$work/ours/manifest.json")/disk.qcow2
cp "$work/ours/debian-12.qcow2" "$work/image.qcow2"
for _ in $(seq "$runs"); do
    rm -rf "$work/hand"; clock one.hand by_hand qcow2
    rm -rf "$work/ours"; clock one ours one
    rm -rf "$work/hand"; clock four.hand by_hand qcow2 raw vmdk vhd
    rm -rf "$work/ours"; clock four ours four
    clock header "$goldsmith" inspect --header "$work/image.qcow2"
done
row "" median "" "against (limit)"
row "qcow2 and two checksums, by hand" "$(median one.hand)" s ""
against "qcow2 and two checksums, goldsmith" one one.hand 1.0
row "four formats, by hand" "$(median four.hand)" s ""
against "four formats, goldsmith" four four.hand 0.6
row "header of an image" "$(awk '{ print $1 * 1000 }' "$work/header" | sort -n | awk '{ v[NR] = $1 } END { print v[int((NR + 1) / 2)] }')" ms "(50 ms)"
row "peak memory of goldsmith, largest" "$(sort -n "$work/memory" | tail -n 1 | awk '{ printf "%.0f", $1 / 1024 }')" MB "(300 MB)"
