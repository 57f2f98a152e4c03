#!/bin/sh
# GRUB's boot code for BIOS. It finds its configuration at boot, so it can be there before that is written, and
# need not be made again whenever a setting changes.
set -eu

if command -v grub-install >/dev/null; then grub=grub; else grub=grub2; fi
"$grub-install" --target=i386-pc "$GOLDSMITH_DISK"
