# Makes a synthetic base on the disk $1: partitions and file systems of the shape $2, as distributions and their
# installers lay them out, and no more of a system than inspection, a shell and the checks of growing need. It runs in the
# appliance, whose own programs become those of the system.
set -e
exec 2>&1
disk=$1 shape=$2 fstab=

# Writes a partition table, each line with the number of its partition.
table() { printf 'label: %s\n\n' "$1"; shift; printf '%s\n' "$@"; }
write_table() { table "$@" | sfdisk --quiet "$disk"; udevadm settle; }

# A line of fstab by UUID.
line() { fstab="$fstab
UUID=$(blkid -p -s UUID -o value "$1") $2 $3 ${4:-defaults} 0 0"; }

# Makes a file system and mounts it where the system has it.
make() {
  case $2 in
    ext4) mkfs.ext4 -q -F "$1" ;;
    xfs) mkfs.xfs -q -f "$1" ;;
    vfat) mkfs.vfat "$1" >/dev/null ;;
    swap) mkswap -q "$1"; line "$1" none swap; return ;;
  esac
  mkdir -p "/sysroot$3"
  mount "$1" "/sysroot$3"
  line "$1" "$3" "$2"
}

bios='type=21686148-6449-6E6F-744E-656564454649'
efi='type=C12A7328-F81F-11D2-BA4B-00A0C93EC93B'
linux='type=0FC63DAF-8483-4772-8E79-3D69D8477DE4'
lvm='type=E6D6D379-F507-44C2-A23C-238F2A3DF928'

case $shape in
  # Debian's installer with the root file system on a logical partition.
  logical)
    write_table dos '1 : size=64MiB, type=83, bootable' '2 : type=5' '5 : type=83'
    make "${disk}5" ext4 /
    make "${disk}1" ext4 /boot ;;
  # Debian's installer as it proposes it: swap in an extended partition behind the root.
  swap-behind)
    write_table dos '1 : size=400MiB, type=83, bootable' '2 : type=5' '5 : type=82'
    make "${disk}1" ext4 /
    make "${disk}5" swap ;;
  # RHEL and its like: all in XFS.
  xfs)
    write_table gpt "1 : size=1MiB, $bios" "2 : size=40MiB, $efi" "3 : size=320MiB, $linux" "4 : $linux"
    make "${disk}4" xfs /
    make "${disk}3" xfs /boot
    make "${disk}2" vfat /boot/efi ;;
  # RHEL's installer: a volume group with several volumes, /usr and /var among them.
  lvm)
    write_table gpt "1 : size=1MiB, $bios" "2 : size=40MiB, $efi" "3 : size=64MiB, $linux" "4 : $lvm"
    pvcreate -q "${disk}4"; vgcreate -q rhel-gold "${disk}4"
    lvcreate -q -y -L 320M -n root rhel-gold
    lvcreate -q -y -L 200M -n usr rhel-gold
    lvcreate -q -y -L 40M -n var rhel-gold
    lvcreate -q -y -L 16M -n swap rhel-gold
    udevadm settle
    make /dev/rhel-gold/root xfs /
    make "${disk}3" ext4 /boot
    make "${disk}2" vfat /boot/efi
    make /dev/rhel-gold/usr ext4 /usr
    make /dev/rhel-gold/var ext4 /var
    make /dev/rhel-gold/swap swap
    fstab=$(printf '%s\n' "$fstab" | sed 's|^UUID=[^ ]* /usr |/dev/mapper/rhel--gold-usr /usr |') ;;
  # LVM on a logical partition, as Debian's installer does it.
  lvm-logical)
    write_table dos '1 : size=64MiB, type=83, bootable' '2 : type=5' '5 : type=8e'
    pvcreate -q "${disk}5"; vgcreate -q debian-vg "${disk}5"; lvcreate -q -y -l 100%FREE -n root debian-vg
    udevadm settle
    make /dev/debian-vg/root ext4 /
    make "${disk}1" ext4 /boot ;;
  # Fedora Cloud: subvolumes for / and /home, and none is the default.
  fedora)
    write_table gpt "1 : size=1MiB, $bios" "2 : size=40MiB, $efi" "3 : size=64MiB, $linux" "4 : $linux"
    mkfs.btrfs -q -f >/dev/null "${disk}4"
    mkdir -p /tmp/top; mount "${disk}4" /tmp/top
    btrfs -q subvolume create /tmp/top/root; btrfs -q subvolume create /tmp/top/home; umount /tmp/top
    mount -o subvol=root "${disk}4" /sysroot; line "${disk}4" / btrfs subvol=root,compress=zstd:1
    mkdir /sysroot/home; mount -o subvol=home "${disk}4" /sysroot/home; line "${disk}4" /home btrfs subvol=home
    make "${disk}3" ext4 /boot
    make "${disk}2" vfat /boot/efi ;;
  # openSUSE: the default subvolume is a snapshot, and others are mounted into it.
  opensuse)
    write_table gpt "1 : size=2MiB, $bios" "2 : size=40MiB, $efi" "3 : $linux"
    mkfs.btrfs -q -f >/dev/null "${disk}3"
    mkdir -p /tmp/top; mount "${disk}3" /tmp/top; cd /tmp/top
    btrfs -q subvolume create @
    btrfs -q subvolume create @/.snapshots; mkdir @/.snapshots/1; btrfs -q subvolume create @/.snapshots/1/snapshot
    for name in var home; do btrfs -q subvolume create @/$name; done
    btrfs subvolume set-default @/.snapshots/1/snapshot
    cd /; umount /tmp/top
    mount "${disk}3" /sysroot; line "${disk}3" / btrfs
    for name in var home .snapshots; do
      mkdir /sysroot/$name; mount -o subvol=@/$name "${disk}3" /sysroot/$name; line "${disk}3" /$name btrfs subvol=/@/$name
    done
    make "${disk}2" vfat /boot/efi ;;
  # Ubuntu's cloud image: the root is number 1, and the last on the disk.
  ubuntu)
    write_table gpt "14 : start=2048, size=8192, $bios" "15 : size=40MiB, $efi" "16 : size=64MiB, $linux" "1 : $linux"
    make "${disk}1" ext4 /
    make "${disk}16" ext4 /boot
    make "${disk}15" vfat /boot/efi ;;
  # A file system without a partition table.
  bare)
    make "$disk" ext4 / ;;
  *) echo "no shape $shape"; exit 1 ;;
esac

# The tree of the system is made once.
if [ ! -d /tmp/tree ]; then
  mkdir -p /tmp/tree; cd /tmp/tree
  mkdir -p etc dev proc sys run tmp root home boot var/lib/dpkg var/log usr/bin usr/lib usr/lib64 usr/sbin
  for name in bin lib lib64 sbin; do ln -s usr/$name $name; done
  programs=
  for name in gawk bash cat cut df env findmnt grep head ln ls lsblk mkdir mount od readlink rm sed sh sleep sort tail tr; do
    found=$(readlink -f "$(command -v $name)"); programs="$programs $found"; cp "$found" usr/bin/$name
  done
  ln -s gawk usr/bin/awk
  for library in $(ldd $programs | grep -o '/[^ ]* (' | tr -d ' (' | sort -u); do
    case $library in /lib64/*) cp -L "$library" usr/lib64 ;; *) cp -L "$library" usr/lib ;; esac
  done
  : >var/lib/dpkg/status
  printf 'ID=debian\nVERSION_ID="12"\nPRETTY_NAME="Debian of the tests"\nVERSION_CODENAME=bookworm\n' >usr/lib/os-release
  ln -s ../usr/lib/os-release etc/os-release
  echo 12.7 >etc/debian_version
  echo 'root:x:0:0:root:/root:/bin/bash' >etc/passwd
fi
cp -a /tmp/tree/. /sysroot
cd /sysroot
printf '%s\n' "$fstab" >etc/fstab
echo "$shape" >etc/shape
cd /
umount -R /sysroot
[ ! -d /dev/rhel-gold ] || vgchange -q -a n rhel-gold
[ ! -d /dev/debian-vg ] || vgchange -q -a n debian-vg
