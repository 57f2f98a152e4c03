#!/bin/sh
# Asks sshd whether it has the settings that the arguments are, and that the groups in $ALLOWED exist.
set -eu

fail() {
    echo "$1" >&2
    exit 1
}

for group in $ALLOWED; do
    grep -q "^$group:" /etc/group || fail "there is no group $group: nobody could log in. Make it by \`groups\` of the action \`user\`"
done
sshd=$(command -v sshd || echo /usr/sbin/sshd)
# sshd wants a host key, which the image does not have, and a directory in /run.
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
ssh-keygen -q -t ed25519 -N '' -f "$work/key"
mkdir -p /run/sshd
chmod 0755 /run/sshd
settings=$("$sshd" -T -h "$work/key") || fail "sshd refuses its settings"
for wanted; do
    printf '%s\n' "$settings" | grep -qxF "$wanted" ||
        fail "sshd has another value than \`$wanted\`: a file that it reads before 10-hardening.conf, or an image whose sshd_config includes no sshd_config.d"
done
weak=$(printf '%s\n' "$settings" | grep -E '^(ciphers|macs|kexalgorithms|hostkeyalgorithms) ' | tr ', ' '\n\n' |
    grep -E -e '-cbc|hmac-sha1|hmac-md5|umac-64|group14-sha1|exchange-sha1|ssh-dss' | tr '\n' ' ')
[ -z "$weak" ] || fail "sshd still offers $weak"
