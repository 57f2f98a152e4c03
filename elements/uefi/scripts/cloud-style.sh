#!/bin/sh
# Answers the questions of grub-pc about disks as Ubuntu's own cloud images do: livecd-rootfs, disk-image-uefi.binary.
set -eu

for platform in pc efi; do
    echo "grub-pc grub-$platform/cloud_style_installation boolean true" | debconf-set-selections
done
