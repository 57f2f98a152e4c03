#!/bin/sh
# Installs GRUB on the EFI system partition twice: in the distribution's own directory, for machines with boot entries,
# and in \EFI\BOOT, where firmware without boot entries looks. A new instance has no boot entries.
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
        echo "this element has no UEFI boot loader for $GOLDSMITH_ARCH" >&2
        exit 1
        ;;
esac

case $EFI in
    grub-install)
        # grub-install puts shim and the signed GRUB into both directories: Debian's with this option, Ubuntu's always.
        # --no-nvram keeps the guest's NVRAM unchanged.
        both=
        if grub-install --help | grep -q -e --force-extra-removable; then
            both=--force-extra-removable
        fi
        grub-install --target="$target" --efi-directory="$efi" --bootloader-id="${OWN##*/}" --no-nvram \
            --uefi-secure-boot $both
        ;;
    grub-unsigned)
        grub-install --target="$target" --efi-directory="$efi" --bootloader-id="${OWN##*/}" --no-nvram
        grub-install --target="$target" --efi-directory="$efi" --removable --no-nvram
        ;;
    packaged)
        # The packages put signed programs into their directory. grub-install would overwrite them with unsigned ones.
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
        echo "this element cannot install a boot loader with $EFI" >&2
        exit 1
        ;;
esac

# The number of the disk in the guest means nothing on other machines.
for config in "$efi"/EFI/*/grub.cfg; do
    [ ! -e "$config" ] || sed -i -E 's/\bhd[0-9]+,/hd0,/g' "$config"
done
