#!/bin/sh
# GRUB on the EFI system partition: at the distribution's own path, for machines that keep boot entries, and at
# \EFI\BOOT, where firmware looks that has none yet, as it is with every new machine in a cloud.
set -eu

efi=/boot/efi
if ! mountpoint -q "$efi"; then
    echo "the disk has no EFI system partition at $efi: set disk.layout to uefi or bios+uefi" >&2
    exit 1
fi
case $GOLDSMITH_ARCH in
    x86_64) target=x86_64-efi suffix=x64 fallback=BOOTX64.EFI ;;
    aarch64) target=arm64-efi suffix=aa64 fallback=BOOTAA64.EFI ;;
    *)
        echo "there is no UEFI boot loader for $GOLDSMITH_ARCH here" >&2
        exit 1
        ;;
esac

case $EFI in
    grub-install)
        # Both paths get shim and the signed GRUB; nothing is written to the NVRAM of the machine that builds.
        grub-install --target="$target" --efi-directory="$efi" --bootloader-id="${OWN##*/}" --no-nvram \
            --uefi-secure-boot --force-extra-removable
        ;;
    packaged)
        # The packages bring signed programs to their own path; grub-install would put unsigned ones there.
        id=$(findmnt -no UUID -T "$GRUB")
        prefix=$("${GRUB##*/}-mkrelpath" "$GRUB")
        cat >"$OWN/grub.cfg" <<END
search --no-floppy --fs-uuid --set=dev $id
set prefix=(\$dev)$prefix
export \$prefix
configfile \$prefix/grub.cfg
END
        mkdir -p "$efi/EFI/BOOT"
        cp "$OWN/shim$suffix.efi" "$efi/EFI/BOOT/$fallback"
        cp "$OWN/grub$suffix.efi" "$OWN/grub.cfg" "$efi/EFI/BOOT/"
        ;;
    shim-install)
        shim-install --no-nvram --removable
        shim-install --no-nvram
        ;;
    *)
        echo "no way is known to install a boot loader with $EFI" >&2
        exit 1
        ;;
esac

# As in grub.cfg itself: the number of the disk in this machine means nothing to others.
for config in "$efi"/EFI/*/grub.cfg; do
    [ ! -e "$config" ] || sed -i -E 's/\bhd[0-9]+,/hd0,/g' "$config"
done
