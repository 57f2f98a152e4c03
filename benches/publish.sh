#!/bin/sh
# Goldsmith against curl, before the same real Glance on loopback: upload of a random file, peak memory (also for a larger,
# sparse file), and the list of many images. Runs alternate; medians, and their ratios within this run.
# It starts a cloud of the tests (tests/cloud, whose programs come from PyPI at the first time), and ends it.
# Needs cargo, curl and jq, and three times the size of the files on disk. Run it on an idle machine.
# Usage: publish.sh [RUNS, default 5] [MIB, default 1024] [MIB of the sparse file, default 4096] [IMAGES, default 1000]
# GOLDSMITH=PROGRAM measures that program in place of a release build: for trying this script.
set -eu
cd "$(dirname "$0")/.."
runs=${1:-5} size=${2:-1024} large=${3:-4096} images=${4:-1000}
[ -n "${GOLDSMITH:-}" ] || cargo build --quiet --release --locked
goldsmith=${GOLDSMITH:-$PWD/target/release/goldsmith}
work=$(mktemp -d "${TMPDIR:-/var/tmp}/goldsmith-bench.XXXXXX")
export TMPDIR="$work"

# The cloud lives as long as somebody holds its standard input open.
mkfifo "$work/hold"
cargo test --quiet --all-features --test cloud -- --ignored --exact --nocapture holds_a_cloud_open \
    < "$work/hold" > "$work/cloud" 2>&1 &
cloud=$!
exec 3> "$work/hold"
trap 'exec 3>&-; wait "$cloud" || true; rm -rf "$work"' EXIT; trap 'exit 130' INT TERM
while ! grep -q '^export IMAGE_URL=' "$work/cloud"; do
    kill -0 "$cloud" 2>/dev/null || { cat "$work/cloud" >&2; exit 1; }
    sleep 0.2
done
grep '^export ' "$work/cloud" > "$work/variables"
. "$work/variables"

seconds() { echo "$1 $2" | awk '{ printf "%.3f\n", $2 - $1 }'; }
median() { sort -n "$work/$1" | awk '{ v[NR] = $1 } END { print v[int((NR + 1) / 2)] }'; }
ratio() { echo "$(median "$1") $(median "$2")" | awk '{ printf "%.2f", $1 / $2 }'; }
row() { printf '%-44s %10s %-3s %s\n' "$@"; }
token() {
    jq -n '{auth: {identity: {methods: ["password"], password: {user: {name: env.OS_USERNAME, password: env.OS_PASSWORD,
        domain: {name: env.OS_USER_DOMAIN_NAME}}}}, scope: {project: {name: env.OS_PROJECT_NAME,
        domain: {name: env.OS_PROJECT_DOMAIN_NAME}}}}}' |
        curl -fsS -o /dev/null -D - -H 'Content-Type: application/json' -d @- "$OS_AUTH_URL/auth/tokens" |
        awk 'tolower($1) == "x-subject-token:" { sub(/\r/, "", $2); print $2 }'
}
# Asks the image service: METHOD PATH and more for curl.
ask() {
    method=$1 path=$2
    shift 2
    curl -fsS -X "$method" -H "X-Auth-Token: $token" "$@" "$IMAGE_URL$path"
}
# A directory as a build leaves it, around a file that is in it.
built() {
    jq -n --arg name "$1" --argjson size "$(stat -c %s "$work/$1/$1.raw")" \
        --arg sha256 "$(sha256sum "$work/$1/$1.raw" | cut -d' ' -f1)" \
        '{format: 1, name: $name, arch: "x86_64", layer: $sha256,
          distro: {name: "debian", release: "bookworm", version: "12", family: "debian"},
          artifacts: [{file: ($name + ".raw"), format: "raw", disk_format: "raw", container_format: "bare",
                       size: $size, sha256: $sha256}]}' > "$work/$1/manifest.json"
}
# Publishes a directory under a name, notes the time of the upload alone and of all, and the peak memory (kB).
ours() {
    start=$(date +%s.%N)
    "$goldsmith" publish "$work/$1" --name "$2" --json > "$work/lines" 2> "$work/log" & pid=$! last=0
    while peak=$(awk '/^VmHWM/ { print $2 }' "/proc/$pid/status" 2>/dev/null); [ -n "$peak" ]; do
        last=$peak
        sleep 0.05
    done
    wait "$pid" || { cat "$work/lines" "$work/log" >&2; exit 1; }
    seconds "$start" "$(date +%s.%N)" >> "$work/whole.$1"
    jq -r 'select(.event == "activity-finished") | .elapsed' "$work/lines" >> "$work/upload.$1"
    echo "$last" >> "$work/memory.$1"
    "$goldsmith" images delete "$2" > /dev/null
}
by_curl() {
    id=$(ask POST /v2/images -H 'Content-Type: application/json' \
        -d '{"name": "curl", "disk_format": "raw", "container_format": "bare"}' | jq -r .id)
    start=$(date +%s.%N)
    # It would wait a second for leave to send.
    ask PUT "/v2/images/$id/file" -H 'Expect:' -H 'Content-Type: application/octet-stream' -T "$work/random/random.raw"
    seconds "$start" "$(date +%s.%N)" >> "$work/curl"
    ask DELETE "/v2/images/$id"
}
pages() {
    next="/v2/images?limit=1000" count=1
    while [ -n "$next" ] && [ "$count" -gt 0 ]; do
        ask GET "$next" > "$work/page"
        next=$(jq -r '.next // ""' "$work/page") count=$(jq '.images | length' "$work/page")
    done
}

mkdir "$work/random" "$work/sparse"
head -c "${size}M" /dev/urandom > "$work/random/random.raw"
truncate -s "${large}M" "$work/sparse/sparse.raw"
built random
built sparse
token=$(token)
for run in $(seq "$runs"); do
    echo "upload $run of $runs" >&2
    by_curl
    ours random "run $run"
done
echo "sparse file" >&2
ours sparse sparse

echo "$images images" >&2
token=$(token)
seq "$images" | while read -r number; do
    ask POST /v2/images -o /dev/null -H 'Content-Type: application/json' \
        -d "{\"name\": \"image $number\", \"disk_format\": \"raw\", \"container_format\": \"bare\"}"
done
for _ in $(seq "$runs"); do
    start=$(date +%s.%N)
    token > /dev/null
    middle=$(date +%s.%N)
    pages
    seconds "$start" "$middle" >> "$work/login"
    seconds "$middle" "$(date +%s.%N)" >> "$work/pages"
    start=$(date +%s.%N)
    listed=$("$goldsmith" images list --json | jq length)
    seconds "$start" "$(date +%s.%N)" >> "$work/list"
    [ "$listed" = "$images" ] || { echo "$listed images are listed, and $images are there" >&2; exit 1; }
done
row "" median "" "against (limit)"
row "upload of $size MiB, curl" "$(median curl)" s ""
row "upload of $size MiB, goldsmith" "$(median upload.random)" s "$(ratio curl upload.random) of curl's speed (0.9)"
row "publishing it, all that belongs to it" "$(median whole.random)" s ""
row "list of $images images, curl: pages alone" "$(median pages)" s ""
row "list of $images images, curl: login before" "$(median login)" s ""
row "list of $images images, goldsmith: all" "$(median list)" s "$(ratio list pages) of the pages (1.5)"
for kind in random sparse; do
    peak=$(sort -n "$work/memory.$kind" | tail -n 1 | awk '{ printf "%.0f", $1 / 1024 }')
    row "peak memory, $kind file" "$peak" MB "(60 MB)"
done
