#!/bin/sh
# Answers the questions of grub-pc about disks as Ubuntu's own cloud images do: livecd-rootfs, disk-image-uefi.binary.
set -eu

for question in grub-pc/cloud_style_installation grub-efi/cloud_style_installation; do
    echo "grub-pc $question boolean true" | debconf-set-selections
    if ! debconf-show grub-pc | grep -q "$question: true"; then
        echo "debconf has not kept the answer to $question" >&2
        exit 1
    fi
done
