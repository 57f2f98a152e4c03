#!/bin/sh
# Writes /boot/extlinux.conf, with the kernel arguments of all elements: an entry for each kernel, as Alpine's update-extlinux makes
# them of the same settings. There is no menu, because nobody stands in front of it.
set -eu

default_kernel_opts='' modules='' root='' default=''
. /etc/update-extlinux.conf
config=/boot/extlinux.conf
first= entries=
for kernel in /boot/vmlinuz-*; do
    [ -e "$kernel" ] || continue
    name=${kernel#/boot/vmlinuz-}
    initrd=
    for path in "initramfs-$name" "initrd.img-$name" "initramfs-$name.img" "initrd-$name"; do
        [ -n "$initrd" ] || [ ! -e "/boot/$path" ] || initrd=$path
    done
    first=$name
    entries="$entries
LABEL $name
  LINUX ${kernel#/boot/}
${initrd:+  INITRD $initrd
}  APPEND root=$root${modules:+ modules=$modules} ${default_kernel_opts}
"
done
[ -n "$first" ] || { echo "there is no kernel in /boot: add the element kernel" >&2; exit 1; }
[ -z "$default" ] || [ ! -e "/boot/vmlinuz-$default" ] || first=$default
printf 'SERIAL 0 115200\nPROMPT 0\nTIMEOUT 1\nDEFAULT %s\n%s' "$first" "$entries" >"$config"
