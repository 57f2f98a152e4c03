#!/bin/sh
# Refuses arguments that are no settings of sysctl.
set -eu

if [ $# = 0 ]; then
    echo "the list of settings is empty: leave the element \`sysctl\` out" >&2
    exit 1
fi
for setting; do
    printf '%s\n' "$setting" | awk 'NR > 1 || !/^[a-z0-9_]+([.\/][A-Za-z0-9_*-]+)+ *= *[^ '"'"'=][^'"'"']*$/ { exit 1 }' || {
        echo "\`$setting\` is no setting: write it like net.ipv4.ip_forward=1, without quotes" >&2
        exit 1
    }
done
# systemd has a program of its own for these files.
for program in /lib/systemd/systemd-sysctl /usr/lib/systemd/systemd-sysctl /sbin/sysctl /usr/sbin/sysctl; do
    [ ! -x "$program" ] || exit 0
done
echo "the image has no program that reads /etc/sysctl.d: install the package procps" >&2
exit 1
