#!/bin/bash
# The first program of Goldsmith's appliance, in place of libguestfs' own. It starts only what Goldsmith and libguestfs' daemon
# use, and it writes nothing to the appliance's disk, so that the machine's saved state needs no copy of that disk.
PATH=/sbin:/usr/sbin:/bin:/usr/bin
export PATH

if [ "$1" != inside ]; then
    # Everything that programs write goes to memory.
    mount -t proc proc /proc
    modprobe overlay
    mount -o remount,ro /
    mount -t tmpfs -o mode=0755 tmpfs /writable
    mkdir /writable/upper /writable/work /writable/root
    mount -t overlay -o lowerdir=/,upperdir=/writable/upper,workdir=/writable/work overlay /writable/root
    umount /proc
    exec chroot /writable/root "$0" inside
fi

mkdir -p /proc /sys /run /sysroot
mount -t proc proc /proc
mount -t sysfs sys /sys
mount -t devtmpfs dev /dev
mkdir -p /dev/pts /dev/shm
mount -t devpts devpts /dev/pts
mount -t tmpfs -o mode=1777 tmpfs /dev/shm
mount -t tmpfs -o nosuid,size=20%,mode=0755 tmpfs /run
mkdir -p /run/lock
ln -sfn ../run/lock /var/lock
ln -sfn /proc/mounts /etc/mtab
tr -d - </proc/sys/kernel/random/uuid >/etc/machine-id
# /tmp is a link on some hosts.
[ -d /tmp ] || { rm -f /tmp; mkdir -m 1777 /tmp; }
[ -d /var/tmp ] || { rm -f /var/tmp; mkdir -m 1777 /var/tmp; }
# On Fedora, OpenSSL needs this file, which the appliance lacks.
policies=/etc/crypto-policies/back-ends/opensslcnf.config
defaults=/usr/share/crypto-policies/DEFAULT/opensslcnf.txt
[ ! -d "${policies%/*}" ] || [ -e $policies ] || ln -sf $defaults $policies

# Device nodes that load their module when they are opened: modprobe's file has "module name type+major:minor" on each line.
while read -r module node numbers; do
    case $module in '#'*) continue ;; esac
    case $node in */*) mkdir -p "/dev/${node%/*}" ;; esac
    kind=${numbers%%[0-9]*} numbers=${numbers#?}
    [ -e "/dev/$node" ] || mknod -m 0600 "/dev/$node" "$kind" "${numbers%:*}" "${numbers#*:}"
done <"/lib/modules/$(uname -r)/modules.devname"

for udevd in /lib/systemd/systemd-udevd /usr/lib/systemd/systemd-udevd /sbin/udevd /lib/udev/udevd; do
    if [ -x $udevd ]; then
        $udevd --daemon
        break
    fi
done
udevadm trigger --subsystem-match=virtio-ports --subsystem-match=block
udevadm settle --timeout=600

ip link set dev lo up
cmdline=$(</proc/cmdline)
# goldsmith_network=ADDRESS/PREFIX:GATEWAY:RESOLVER. A DHCP client would miss the end of its lease in a saved state.
case $cmdline in
*goldsmith_network=*)
    network=${cmdline##*goldsmith_network=} network=${network%% *}
    for device in /sys/class/net/e*; do device=${device##*/}; done
    address=${network%%:*} network=${network#*:}
    ip link set dev "$device" up
    ip addr add "$address" dev "$device"
    ip route add default via "${network%:*}"
    echo "nameserver ${network#*:}" >/etc/resolv.conf
    option=--network
    ;;
esac

# LVM must not read the host's settings, which are in the appliance. A list of permitted devices would hide the image's.
mkdir -p /tmp/lvm
if command -v lvmdevices >/dev/null; then printf 'devices {\n\tuse_devicesfile = 0\n}\n'; fi >/tmp/lvm/lvm.conf
export LVM_SYSTEM_DIR=/tmp/lvm
modprobe dm_mod

# libguestfs takes the appliance as started when the daemon has sent this number (GUESTFS_LAUNCH_FLAG of its protocol). The
# daemon sends it once, before the state is saved. In a resumed machine, this process sends it again when the host wants it.
exec 5<>/dev/virtio-ports/org.libguestfs.channel.0
wake=/dev/virtio-ports/org.goldsmith.wake
if [ -e $wake ]; then
    {
        until read -r word && [ "$word" = go ]; do sleep 0.05; done
        printf '\xf5\xf5\x5f\xf5' >&5
    } <$wake &
fi
guestfsd --channel fd:5 $option
sync
# QEMU's option -no-reboot makes this its end.
reboot -f
