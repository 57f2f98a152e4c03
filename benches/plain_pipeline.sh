#!/bin/sh
# The work of a Debian cloud image done by hand, without Goldsmith: what the benchmark compares with.
# Usage: plain_pipeline.sh RELEASE PACKAGES(comma separated) DEB_CACHE_DIR OUTPUT.qcow2
set -eu
release=$1 packages=$2 debs=$3 output=$4
[ "$(id -u)" = 0 ] || { echo "plain_pipeline.sh: needs root (mmdebstrap --mode=root)" >&2; exit 1; }
work=$(mktemp -d "${TMPDIR:-/tmp}/plain.XXXXXX")
trap 'rm -rf "$work"' EXIT; trap 'exit 130' INT TERM
mkdir -p "$debs"
export LIBGUESTFS_BACKEND=direct

# The mirrors are those of the machine's own apt: the main archive and the security archive.
apt-get indextargets --format '$(ORIGIN) $(REPO_URI) $(CODENAME)' 'Created-By: Packages' |
    awk '$1 == "Debian" { print $2, ($3 ~ /-security$/ ? "security" : "main") }' | sort -u |
    while read -r uri kind; do
        case $kind in
            main) echo "deb $uri $release main"; echo "deb $uri $release-updates main" ;;
            security) echo "deb $uri $release-security main" ;;
        esac
    done > "$work/sources.list"

mmdebstrap --quiet --mode=root --variant=apt --aptopt='Apt::Install-Recommends "false"' --include="$packages" \
    --skip=download/empty --skip=essential/unlink \
    --setup-hook='mkdir -p "$1/var/cache/apt/archives"' \
    --setup-hook="find '$debs' -name '*.deb' -exec cp -t \"\$1/var/cache/apt/archives\" {} +" \
    --customize-hook="cp -nt '$debs' \"\$1\"/var/cache/apt/archives/*.deb" \
    "$release" "$work/root.tar" "$work/sources.list"

cat > "$work/boot.sh" <<'BOOT'
set -eu
root=$(blkid -s UUID -o value /dev/sda3) esp=$(blkid -s UUID -o value /dev/sda2)
printf 'UUID=%s / ext4 errors=remount-ro 0 1\nUUID=%s /boot/efi vfat umask=0077 0 1\n' "$root" "$esp" > /etc/fstab
printf 'GRUB_CMDLINE_LINUX="console=tty0 console=ttyS0,115200n8"\nGRUB_TIMEOUT=1\n' >> /etc/default/grub
grub-install --target=i386-pc /dev/sda
grub-install --target=x86_64-efi --efi-directory=/boot/efi --no-nvram --removable
update-grub
systemctl enable serial-getty@ttyS0.service
rm -f /etc/ssh/ssh_host_*_key* /etc/resolv.conf
: > /etc/machine-id
BOOT

truncate -s 3G "$work/disk.raw"
guestfish --format=raw -a "$work/disk.raw" <<FISH
run
part-init /dev/sda gpt
part-add /dev/sda p 2048 4095
part-add /dev/sda p 4096 208895
part-add /dev/sda p 208896 -34
part-set-gpt-type /dev/sda 1 21686148-6449-6E6F-744E-656564454649
part-set-gpt-type /dev/sda 2 C12A7328-F81F-11D2-BA4B-00A0C93EC93B
mkfs vfat /dev/sda2
mkfs ext4 /dev/sda3 label:root
mount /dev/sda3 /
tar-in $work/root.tar /
mkdir-p /boot/efi
mount /dev/sda2 /boot/efi
upload $work/boot.sh /boot.sh
sh "sh /boot.sh && rm /boot.sh"
FISH
qemu-img convert -f raw -O qcow2 -c -o compression_type=zstd "$work/disk.raw" "$output"
