#!/bin/sh
# Takes MAC addresses out of netplan's and systemd-networkd's files without making them invalid.
set -eu

for file in /etc/netplan/*.yaml /etc/netplan/*.yml; do
    [ -e "$file" ] || continue
    # `set-name` needs the `match` it names, and a `match` with nothing left below it is an error of netplan's.
    # The name that the entry has remains, and that is how netplan then finds the card.
    awk '
        function indent(line) { match(line, /^ */); return RLENGTH }
        held != "" {
            if (/^ *(#.*)?$/ || indent($0) > indent(held)) {
                if (/^ *macaddress:/) next
                if (!/^ *(#.*)?$/) { print held; held = "" }
            } else held = ""
        }
        /^ *(macaddress|set-name):/ { next }
        /^ *match: *(#.*)?$/ { held = $0; next }
        /^ *match: *\{.*macaddress/ { next }
        { print }
    ' "$file" >"$file.new"
    # Written into the file that is there, so that it keeps its owner and mode.
    cmp -s "$file.new" "$file" || cat "$file.new" >"$file"
    rm "$file.new"
done

for file in /etc/systemd/network/*.network /etc/systemd/network/*.link; do
    [ -e "$file" ] && grep -qE '^[[:space:]]*(Permanent)?MACAddress[[:space:]]*=' "$file" || continue
    # Without another condition the file would then match every card, so it goes altogether.
    if grep -qE '^[[:space:]]*(Name|OriginalName|Path|Driver|Type)[[:space:]]*=' "$file"; then
        sed -i -E '/^[[:space:]]*(Permanent)?MACAddress[[:space:]]*=/d' "$file"
    else
        rm "$file"
    fi
done
