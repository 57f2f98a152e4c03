#!/bin/sh
# Prints the facts about this machine that its arguments name.
set -u

for fact; do
    case $fact in
        kernel) value=$(uname -r) ;;
        address) value=$(hostname -I) ;;
        disk) value=$(df -h --output=avail / | tail -n 1) ;;
        *)
            echo "facts.sh: unknown fact $fact: use kernel, address or disk" >&2
            exit 2
            ;;
    esac
    printf '%-8s %s\n' "$fact" "$value"
done
