#!/bin/sh
# Lets systemd grow the root file system: option x-systemd.growfs of its line in /etc/fstab.
set -eu

file=/etc/fstab
awk '
    $1 !~ /^#/ && $2 == "/" {
        found = 1
        if (("," $4 ",") !~ /,x-systemd\.growfs,/) {
            options = ($4 == "" || $4 == "defaults") ? "x-systemd.growfs" : $4 ",x-systemd.growfs"
            $0 = $1 " " $2 " " $3 " " options " " ($5 == "" ? 0 : $5) " " ($6 == "" ? 1 : $6)
        }
    }
    { print }
    END { exit !found }
' "$file" >"$file.new" || {
    rm -f "$file.new"
    echo "$file has no line for the root file system, so systemd would not grow it" >&2
    exit 1
}
if cmp -s "$file" "$file.new"; then
    rm "$file.new"
else
    # Keeps owner, mode and label of the file.
    cat "$file.new" >"$file"
    rm "$file.new"
fi
