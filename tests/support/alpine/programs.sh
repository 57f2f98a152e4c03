#!/bin/sh
# Makes trees of files for packages of Alpine that no mirror of Alpine is asked for: openssh and syslinux, whose programs are
# Debian's, and debian-glibc with the libraries that these need.
# Usage: programs.sh OUT, where OUT gets programs.tar with a directory for each package.
set -eu
here=$(dirname "$(realpath "$0")") out=$1
release=bookworm
. "$here/../debian_sources.sh"
sources=$(debian_sources)
work=$(mktemp -d "$out/programs.XXXXXX")
# Others than this user own files there, if it is not root.
trap 'unshare --map-root-user rm -rf "$work" 2>/dev/null || rm -rf "$work"' EXIT
printf '%s\n' "$sources" | mmdebstrap --quiet --variant=extract --format=tar --include=openssh-server,openssh-client,extlinux \
    $release "$work/debian.tar" ${sources:+-}
mkdir "$work/debian"
tar -C "$work/debian" --no-same-owner -xf "$work/debian.tar" --exclude='./dev/*'
from=$work/debian to=$work/packages
mkdir -p "$to/debian-glibc/lib64" "$to/debian-glibc/usr/lib/x86_64-linux-gnu" "$to/openssh/usr/sbin" "$to/openssh/usr/bin" \
    "$to/openssh/etc/init.d" "$to/openssh/etc/ssh" "$to/syslinux/sbin"
cp -L "$from"/lib64/ld-linux-x86-64.so.2 "$to/debian-glibc/lib64/"
for library in "$from"/lib/x86_64-linux-gnu/*.so.* "$from"/usr/lib/x86_64-linux-gnu/*.so.*; do
    [ ! -f "$library" ] || cp -L "$library" "$to/debian-glibc/usr/lib/x86_64-linux-gnu/"
done
cp "$from/usr/sbin/sshd" "$to/openssh/usr/sbin/"
cp "$from/usr/bin/ssh-keygen" "$to/openssh/usr/bin/"
cp "$from/usr/bin/extlinux" "$to/syslinux/sbin/"
printf '%s\n' 'Include /etc/ssh/sshd_config.d/*.conf' 'AuthorizedKeysFile .ssh/authorized_keys' >"$to/openssh/etc/ssh/sshd_config"
# Alpine's script makes host keys too.
cat >"$to/openssh/etc/init.d/sshd" <<'END'
#!/sbin/openrc-run
description="OpenSSH server"
command=/usr/sbin/sshd
command_args=-D
command_background=true
pidfile=/run/sshd.pid

depend() {
    need net
    after metadata-ssh-key
}

start_pre() {
    checkpath -d -m 0755 /run/sshd
    for kind in ed25519 ecdsa; do
        [ -e "/etc/ssh/ssh_host_${kind}_key" ] || ssh-keygen -q -t "$kind" -N '' -f "/etc/ssh/ssh_host_${kind}_key" || return
    done
}
END
chmod 0755 "$to/openssh/etc/init.d/sshd"
tar -C "$to" --owner=0 --group=0 -cf "$out/programs.tar" .
