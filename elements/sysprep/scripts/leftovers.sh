#!/bin/sh
# Removes the leftovers that the arguments name: logs, service-policy, resolv-conf.
set -eu

for what; do
    case $what in
        # Keep directories: they belong to packages, and services do not start without them.
        logs)
            find /var/log -xdev ! -type d -delete
            rm -rf /var/log/journal/*
            ;;
        service-policy)
            [ ! -e /usr/sbin/policy-rc.d ] || dpkg-query --search /usr/sbin/policy-rc.d || rm /usr/sbin/policy-rc.d
            ;;
        # A link belongs to the service that it points to. The build machine wrote a plain file.
        resolv-conf) [ -L /etc/resolv.conf ] || : >/etc/resolv.conf ;;
        *)
            echo "unknown leftover: $what" >&2
            exit 1
            ;;
    esac
done
