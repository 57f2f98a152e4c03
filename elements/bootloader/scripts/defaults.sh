#!/bin/sh
# /etc/default/grub, which the packages that can be installed side by side for BIOS and UEFI may not bring.
set -eu

file=/etc/default/grub
if [ ! -e "$file" ] && [ -e /usr/share/grub/default/grub ]; then
    cp /usr/share/grub/default/grub "$file"
elif [ ! -e "$file" ]; then
    mkdir -p /etc/default
    printf '%s\n' 'GRUB_DEFAULT=0' 'GRUB_CMDLINE_LINUX=""' >"$file"
fi
# Debian's cloud variant of GRUB brings arguments of its own. What the kernel gets is what the elements say.
if grep -q '^GRUB_CMDLINE_LINUX=.*earlyprintk=' "$file"; then
    sed -i 's/^GRUB_CMDLINE_LINUX=.*/GRUB_CMDLINE_LINUX=""/' "$file"
fi
