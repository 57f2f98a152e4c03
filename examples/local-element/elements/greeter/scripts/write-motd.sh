#!/bin/sh
# Writes its argument to /etc/motd, in bold if BOLD is yes.
set -eu

if [ "$BOLD" = yes ]; then
    printf '\033[1m%s\033[0m\n' "$1"
else
    printf '%s\n' "$1"
fi >/etc/motd
