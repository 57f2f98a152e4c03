#!/bin/sh
# Makes an initramfs for every kernel whose initramfs is missing or outdated, and looks at it.
#
# The kernel package made an initramfs when it was installed. Making another takes a minute without KVM, so this script
# does so only if a file that goes into the initramfs has changed since. It looks at the time of the last change (ctime):
# files from packages, archives and recipes have other times of modification. With the argument `inputs`, the script only prints
# which files of /etc and /usr these are.
set -eu

inputs="/etc/initramfs-tools /etc/dracut.conf /etc/dracut.conf.d /etc/modules /etc/modules-load.d /etc/modprobe.d /etc/crypttab
    /etc/cryptsetup-initramfs /etc/mdadm /etc/mdadm.conf /etc/vconsole.conf /usr/share/initramfs-tools
    /usr/lib/dracut/dracut.conf.d /usr/lib/dracut/modules.d /etc/mkinitfs /etc/mkinitcpio.conf /etc/mkinitcpio.conf.d /etc/initcpio /etc/systemd/network/*.link"
if [ "${1-}" = inputs ]; then
    printf '%s\n' $inputs /etc/udev/rules.d
    exit 0
fi

fail() {
    echo "$1" >&2
    exit 99
}

# Prints the first file in the existing paths $2... that is newer than $1. The find of busybox compares no times of inodes.
# Its stat prints them, in whole seconds.
first_newer() {
    if find / -maxdepth 0 -newercc / >/dev/null 2>&1; then
        since=$1
        shift
        find -H "$@" -newercc "$since" -print -quit
        return
    fi
    since=$(stat -c %Z "$1")
    shift
    find -H "$@" -exec stat -c '%Z %n' {} + | while read -r time path; do
        [ "$time" -le "$since" ] || printf '%s\n' "$path"
    done | head -n 1
}

# The first file of the kernel $2 that has changed since the initramfs $1 was made.
changed() {
    # Collect the paths that exist, because find fails on a missing path.
    there=
    for path in $inputs "/lib/modules/$2/modules.dep"; do
        [ ! -e "$path" ] || there="$there $path"
    done
    [ -z "$there" ] || first_newer "$1" $there
    # An empty file only hides another one.
    [ ! -d /etc/udev/rules.d ] || [ "$INITRAMFS" = mkinitfs ] || find /etc/udev/rules.d -name '*.rules' ! -empty -newercc "$1" -print -quit
}

# Makes the initramfs $1 of the kernel $2.
make() {
    case $INITRAMFS in
        initramfs-tools)
            if [ -e "$1" ]; then
                update-initramfs -u -k "$2"
            else
                update-initramfs -c -k "$2"
            fi
            list=lsinitramfs
            ;;
        # Another machine will boot this image, so dracut must include all drivers.
        dracut)
            dracut --force --no-hostonly "$1" "$2"
            list=lsinitrd
            ;;
        mkinitfs)
            mkinitfs -o "$1" "$2"
            list=
            ;;
        # The files in /etc/mkinitcpio.conf.d have it include all drivers.
        mkinitcpio)
            mkinitcpio --kernel "$2" --generate "$1"
            list=lsinitcpio
            ;;
        *) fail "this element cannot make an initramfs with $INITRAMFS" ;;
    esac
    [ -s "$1" ] || fail "$INITRAMFS succeeded but did not make $1"
    newer=$(changed "$1" "$2")
    [ -z "$newer" ] || fail "$INITRAMFS succeeded, but $1 is still older than $newer"
    [ -n "$list" ] && command -v "$list" >/dev/null || return 0
    listed=$("$list" "$1") || fail "$INITRAMFS succeeded, but $list cannot read $1"
    printf '%s\n' "$listed" | grep -qE '(^|[ /])init( |$)' || fail "$INITRAMFS succeeded, but $1 has no program init"
    [ "$INITRAMFS" = initramfs-tools ] || return 0
    for path in /etc/modprobe.d/*.conf; do
        [ ! -f "$path" ] || printf '%s\n' "$listed" | grep -qxF -e "${path#/}" -e ".$path" ||
            fail "$INITRAMFS succeeded, but $1 does not hold $path"
    done
}

found=
for modules in /lib/modules/*/; do
    version=${modules#/lib/modules/}
    version=${version%/}
    # A removed kernel leaves its module directory behind: skip it.
    # Alpine's kernels are named by their flavour: vmlinuz-virt.
    kernel=$version
    [ "$INITRAMFS" != mkinitfs ] || kernel=${version##*-}
    # Arch Linux's are named by their package: vmlinuz-linux.
    [ "$INITRAMFS" != mkinitcpio ] || [ ! -e "${modules}pkgbase" ] || read -r kernel <"${modules}pkgbase"
    [ -e "/boot/vmlinuz-$kernel" ] || [ -e "${modules}vmlinuz" ] || continue
    found=yes
    case $INITRAMFS in
        dracut)
            initrd=/boot/initramfs-$version.img
            [ ! -e "/boot/initrd-$version" ] || initrd=/boot/initrd-$version
            ;;
        mkinitfs) initrd=/boot/initramfs-$kernel ;;
        mkinitcpio) initrd=/boot/initramfs-$kernel.img ;;
        *) initrd=/boot/initrd.img-$version ;;
    esac
    if [ ! -e "$initrd" ]; then
        make "$initrd" "$version"
        continue
    fi
    newer=$(changed "$initrd" "$version")
    if [ -n "$newer" ]; then
        echo "making $initrd again: $(printf '%s\n' "$newer" | head -n 1) has changed"
        make "$initrd" "$version"
    fi
done
if [ -z "$found" ]; then
    echo "no kernel is installed below /boot" >&2
    exit 1
fi
