#!/bin/sh
# Installs GRUB's boot code for BIOS. The boot code reads grub.cfg at boot, so this script can run before grub.cfg
# exists and need not run again when a setting changes.
set -eu

# GRUB's directory gives its programs their prefix: grub-install or grub2-install.
"${GRUB##*/}-install" --target=i386-pc "$GOLDSMITH_DISK"
