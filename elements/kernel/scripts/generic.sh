#!/bin/sh
# Lets mkinitcpio include drivers for all machines. By itself it includes those for the machine that it runs on, and another one boots
# the image.
#
# Environment: ROOT  path of the tree with the image's files; nothing for the running system
set -eu

file=${ROOT-}/etc/mkinitcpio.conf.d/image.conf
[ ! -e "$file" ] || exit 0
mkdir -p "${file%/*}"
cat >"$file" <<'END'
# All drivers, and not only those for the machine that makes the initramfs: another one may boot this image.
HOOKS=(${HOOKS[@]/#autodetect})
END
