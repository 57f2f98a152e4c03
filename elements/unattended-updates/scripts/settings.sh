#!/bin/sh
# Asks apt for the settings: a file that is read later may have others.
set -eu
for wanted in 'APT::Periodic::Enable "1";' 'APT::Periodic::Update-Package-Lists "1";' 'APT::Periodic::Unattended-Upgrade "1";'; do
    if ! apt-config dump "${wanted%% *}" | grep -qxF "$wanted"; then
        echo "apt has another value than \`$wanted\`, from another file in /etc/apt/apt.conf.d" >&2
        exit 1
    fi
done
