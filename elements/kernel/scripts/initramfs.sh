#!/bin/sh
# Makes an initramfs for every kernel whose initramfs is missing or outdated.
#
# The kernel package made an initramfs when it was installed. Making another takes a minute without KVM, so this script
# does so only if a file that goes into the initramfs is newer.
set -eu

outdated() {
    [ -e "$1" ] || return 0
    changed=$(find $inputs -newer "$1" ! -type d -print -quit)
    [ -z "$changed" ] || echo "$changed is newer than $1"
    [ -n "$changed" ]
}

# Collect the paths that exist, because find fails on a missing path.
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
    # A removed kernel leaves its module directory behind: skip it.
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
                # Another machine will boot this image, so dracut must include all drivers.
                dracut --force --no-hostonly "$initrd" "$version"
            fi
            ;;
        *)
            echo "this element cannot make an initramfs with $INITRAMFS" >&2
            exit 1
            ;;
    esac
done
if [ -z "$found" ]; then
    echo "no kernel is installed below /boot" >&2
    exit 1
fi
