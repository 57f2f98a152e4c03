#!/bin/sh
# Six images of one recipe with a matrix, which share their base and differ in two configure steps, against one of them.
# Package caches are warm; medians. Run it as root, on an idle machine, with cargo and jq. Usage: matrix.sh [RUNS, default 3]
set -eu
cd "$(dirname "$0")/.."
runs=${1:-3}
name=matrix
. benches/program.sh

# The recipe of Debian 12 without its own steps and `verify`, and with two steps that differ in each image.
{
    awk '/^(name|steps|verify):/ { skip = 1; next } /^[a-z]/ { skip = 0 } !skip' recipes/debian-12.yaml
    cat <<'X'
name: "image-{{ number }}"
params: { number: { type: integer } }
matrix: { number: [1, 2, 3, 4, 5, 6] }
steps:
  configure:
    - write: { path: /etc/number, content: "{{ number }}\n" }
    - write: { path: /etc/motd, content: "{{ number }}\n" }
X
} > "$work/recipe.yaml"
build() {
    name=$1
    shift
    rm -rf "$work/cache/layers" "$work/out"
    start=$(date +%s.%N)
    "$goldsmith" build "$work/recipe.yaml" --cache "$work/cache" --out "$work/out" --accel "$accel" "$@" > "$work/log" 2>&1 ||
        { tail -n 40 "$work/log" >&2; exit 1; }
    echo "$start $(date +%s.%N)" | awk '{ printf "%.3f\n", $2 - $1 }' >> "$work/$name"
}
median() { sort -n "$work/$1" | awk '{ v[NR] = $1 } END { print v[int((NR + 1) / 2)] }'; }

build warm --only image-1
for _ in $(seq "$runs"); do
    build one --only image-1
    build six
done
echo "$(median one) $(median six)" | awk '{ printf "one image %.1f s, six images %.1f s: %.2f of one (1.35)\n", $1, $2, $2 / $1 }'
