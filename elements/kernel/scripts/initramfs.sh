#!/bin/sh
# Makes the initramfs of every kernel that has none or an outdated one.
#
# Installing the kernel made one already. Without hardware virtualisation making another takes a minute, so
# it is made again only if something that goes into it was changed since.
set -eu

outdated() {
    [ -e "$1" ] || return 0
    changed=$(find $inputs -newer "$1" ! -type d -print -quit)
    [ -z "$changed" ] || echo "$changed is newer than $1"
    [ -n "$changed" ]
}

# Keeps those of its arguments that exist: find fails on a path that is not there.
inputs=
set -- /etc/initramfs-tools /etc/dracut.conf /etc/dracut.conf.d /etc/modules /etc/modules-load.d /etc/modprobe.d \
    /etc/crypttab /etc/mdadm
for path; do
    [ ! -e "$path" ] || inputs="$inputs $path"
done

found=
for modules in /lib/modules/*/; do
    version=${modules#/lib/modules/}
    version=${version%/}
    # A directory without a kernel is what a removed one left behind.
    [ -e "/boot/vmlinuz-$version" ] || [ -e "${modules}vmlinuz" ] || continue
    found=yes
    case $INITRAMFS in
        initramfs-tools)
            initrd=/boot/initrd.img-$version
            if [ ! -e "$initrd" ]; then
                update-initramfs -c -k "$version"
            elif outdated "$initrd"; then
                update-initramfs -u -k "$version"
            fi
            ;;
        dracut)
            initrd=/boot/initramfs-$version.img
            [ ! -e "/boot/initrd-$version" ] || initrd=/boot/initrd-$version
            if outdated "$initrd"; then
                # The machine that builds is not the one that boots: no drivers are left out for it.
                dracut --force --no-hostonly "$initrd" "$version"
            fi
            ;;
        *)
            echo "no way is known to make an initramfs with $INITRAMFS" >&2
            exit 1
            ;;
    esac
done
if [ -z "$found" ]; then
    echo "no kernel is installed below /boot" >&2
    exit 1
fi
