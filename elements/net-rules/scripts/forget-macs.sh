#!/bin/sh
# Removes MAC addresses from files of netplan and systemd-networkd, and keeps the files valid.
set -eu

for file in /etc/netplan/*.yaml /etc/netplan/*.yml; do
    [ -e "$file" ] || continue
    # netplan rejects a `set-name` without `match`, and an empty `match`. Without both, netplan finds the card by the
    # name of the entry.
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
    # Write into the existing file, so that it keeps its owner and mode.
    cmp -s "$file.new" "$file" || cat "$file.new" >"$file"
    rm "$file.new"
done

for file in /etc/systemd/network/*.network /etc/systemd/network/*.link; do
    [ -e "$file" ] && grep -qE '^[[:space:]]*(Permanent)?MACAddress[[:space:]]*=' "$file" || continue
    # Without any other condition the file would match every card, so remove the whole file.
    if grep -qE '^[[:space:]]*(Name|OriginalName|Path|Driver|Type)[[:space:]]*=' "$file"; then
        # The list may go on in the lines that follow; comments between do not end it.
        awk '
            held { if (!/^[[:space:]]*[#;]/) held = /\\$/; next }
            /^[[:space:]]*(Permanent)?MACAddress[[:space:]]*=/ { held = /\\$/; next }
            { print }
        ' "$file" >"$file.new"
        cat "$file.new" >"$file"
        rm "$file.new"
    else
        rm "$file"
    fi
done
