#!/bin/sh
# The table of a benchmark, from files of numbers that cold_build.sh left in a directory. Usage: report.sh DIR
set -eu
cd "$1"
# Median of a file; "-" where nothing was measured.
median() { sort -n "$1" 2>/dev/null | awk '{ v[NR] = $1 } END { print NR ? v[int((NR + 1) / 2)] : "-" }'; }
ratio() { echo "$1 $2" | awk '{ if ($1 > 0 && $2 > 0) printf "%.2f", $1 / $2; else printf "-" }'; }
row() { printf '%-34s %10s %-3s %s\n' "$@"; }
plain=$(median plain) cold=$(median cold) changed=$(median changed)
peak=$(sort -n memory | tail -n 1 | awk '{ printf "%.0f", $1 / 1024 }')
row "" median "" "against (limit)"
row "by hand" "$plain" s ""
row "mkosi" "$(median mkosi)" s ""
row "goldsmith, cold" "$cold" s "$(ratio "$cold" "$plain") of by hand (0.80), $(ratio "$cold" "$(median mkosi)") of mkosi (0.50)"
row "goldsmith, nothing changed" "$(median unchanged)" s "(0.5 s)"
row "goldsmith, last configure changed" "$changed" s "$(ratio "$changed" "$cold") of cold (0.33)"
row "freezing a layer" "$(median freeze)" ms "(100 ms)"
row "peak memory of goldsmith, largest" "$peak" MB "(100 MB)"
