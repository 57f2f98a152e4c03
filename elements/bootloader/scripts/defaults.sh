#!/bin/sh
# Makes /etc/default/grub. GRUB packages that can be installed for BIOS and UEFI together may not bring this file.
set -eu

file=/etc/default/grub
if [ ! -e "$file" ] && [ -e /usr/share/grub/default/grub ]; then
    cp /usr/share/grub/default/grub "$file"
elif [ ! -e "$file" ]; then
    mkdir -p /etc/default
    printf '%s\n' 'GRUB_DEFAULT=0' 'GRUB_CMDLINE_LINUX=""' >"$file"
fi
# Debian's grub-cloud package sets kernel arguments of its own. The elements alone decide the kernel arguments.
if grep -q '^GRUB_CMDLINE_LINUX=.*earlyprintk=' "$file"; then
    sed -i 's/^GRUB_CMDLINE_LINUX=.*/GRUB_CMDLINE_LINUX=""/' "$file"
fi
