#!/bin/sh
# GRUB's boot code for BIOS. It finds its configuration at boot, so it can be there before that is written, and
# need not be made again whenever a setting changes.
set -eu

# Its programs have the name of its directory: grub-install, grub2-install.
"${GRUB##*/}-install" --target=i386-pc "$GOLDSMITH_DISK"
