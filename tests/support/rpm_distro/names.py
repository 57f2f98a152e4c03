"""Names of packages: what Fedora calls a package of Debian. Several packages of Debian may become one; packages that no line
names keep their names, and those that only manage Debian's packages become none."""

DROPPED = set("""adduser apt debconf debian-archive-keyring dpkg init-system-helpers libapt-pkg6.0 libdebconfclient0
linux-base runit-helper sensible-utils shim-helpers-amd64-signed shim-unsigned ucf usr-is-merged""".split())

_LINES = """
setup: base-passwd netbase
filesystem: base-files
glibc: libc6 libc-bin
glibc-common: libc-l10n
glibc-locale-source: locales
dbus: dbus dbus-bin dbus-daemon dbus-session-bus-common dbus-system-bus-common
dbus-libs: libdbus-1-3
systemd: systemd systemd-sysv sysvinit-utils
systemd-pam: libpam-systemd
systemd-libs: libsystemd0 libudev1 libsystemd-shared
systemd-udev: udev
pam: libpam-modules libpam-modules-bin libpam-runtime
pam-libs: libpam0g
shadow-utils: passwd login
util-linux: util-linux util-linux-extra mount bsdutils fdisk eject
libblkid: libblkid1
libmount: libmount1
libuuid: libuuid1
libfdisk: libfdisk1
libsmartcols: libsmartcols1
procps-ng: procps
procps-ng-libs: libproc2-0
iproute: iproute2
iputils: iputils-ping
NetworkManager: network-manager
NetworkManager-libnm: libnm0
dhcp-client: isc-dhcp-client
openssh: openssh-client
openssh-server: openssh-server openssh-sftp-server
openssl-libs: libssl3
polkit: polkitd
polkit-libs: libpolkit-gobject-1-0 libpolkit-agent-1-0
cloud-utils-growpart: cloud-guest-utils
grub2-common: grub-common
grub2-tools: grub2-common
grub2-pc-modules: grub-pc-bin
grub2-efi-x64-modules: grub-efi-amd64-bin
grub2-efi-x64: grub-efi-amd64-signed
shim-x64: shim-signed shim-signed-common
dracut: dracut dracut-core
gnupg2: gpg gpgconf gpgv
ncurses: ncurses-bin
ncurses-libs: libncursesw6 libtinfo6
perl-interpreter: perl-base perl
perl-libs: perl-modules-5.36 libperl5.36
python3-libs: libpython3-stdlib libpython3.11 libpython3.11-minimal libpython3.11-stdlib python3-distutils python3-lib2to3
python3: python3 python3-minimal python3.11 python3.11-minimal
python3-pyyaml: python3-yaml
python3-pyserial: python3-serial
rpm: rpm rpm-common rpm2cpio
rpm-libs: librpm9 librpmio9
rpm-build-libs: librpmbuild9 librpmsign9
libdnf: libdnf2 libdnf2-common
libstdc++: libstdc++6
libgcc: libgcc-s1 gcc-12-base
libselinux: libselinux1
libselinux-utils: selinux-utils
libsemanage: libsemanage2 libsemanage-common
libsepol: libsepol2
libcap: libcap2 libcap2-bin
libcap-ng: libcap-ng0
libxcrypt: libcrypt1
libacl: libacl1
libattr: libattr1
audit-libs: libaudit1 libaudit-common
bzip2-libs: libbz2-1.0
xz-libs: liblzma5
zlib: zlib1g
libzstd: libzstd1
lz4-libs: liblz4-1
e2fsprogs-libs: libext2fs2
libcom_err: libcom-err2
libss: libss2
kmod-libs: libkmod2
glib2: libglib2.0-0
gnutls: libgnutls30
krb5-libs: libgssapi-krb5-2 libk5crypto3 libkrb5-3 libkrb5support0
libcurl: libcurl4 libcurl3-gnutls
sqlite: sqlite3
sqlite-libs: libsqlite3-0
readline: libreadline8 readline-common
pcre2: libpcre2-8-0
popt: libpopt0
expat: libexpat1
file-libs: libmagic1 libmagic-mgc
device-mapper: dmsetup
device-mapper-libs: libdevmapper1.02.1
cryptsetup-libs: libcryptsetup12
vim-minimal: vim-tiny vim-common
which: debianutils
libguestfs: libguestfs0
qemu-img: qemu-utils
qemu-system-x86-core: qemu-system-x86
"""

RPM_NAMES = {}
for _line in _LINES.strip().splitlines():
    _name, _, _debs = _line.partition(":")
    for _deb in _debs.split():
        RPM_NAMES[_deb] = _name

# Requirements that Debian's packages do not have: essential packages of Debian, which all others may use, and packages of
# Fedora that Debian does not have.
REQUIRES = {
    "bash": ["ncurses-base"],
    "cloud-init": ["hostname", "iproute", "shadow-utils"],
    "ca-certificates": ["coreutils", "findutils", "grep"],
    "kernel": ["kernel-core"],
    "kernel-core": ["dracut", "systemd", "kmod", "coreutils"],
    "dracut-config-generic": ["dracut"],
    "dracut": ["bash", "coreutils", "cpio", "findutils", "grep", "gzip", "sed", "systemd-udev", "util-linux", "zstd"],
    "fedora-repos": ["fedora-release"],
    "fedora-release": ["fedora-repos"],
    "glibc-langpack-en": ["glibc"],
    "grub2-common": ["coreutils", "findutils", "gawk", "gettext-base", "grep", "sed", "util-linux"],
    "grub2-tools": ["grub2-common", "grubby"],
    "grub2-pc": ["grub2-tools", "grub2-pc-modules"],
    "grub2-efi-x64": ["grub2-tools", "shim-x64"],
    "grub2-efi-x64-modules": ["grub2-common"],
    "grub2-pc-modules": ["grub2-common"],
    "grubby": ["grub2-common"],
    "systemd": ["coreutils", "dbus", "fedora-release", "grep", "kmod", "sed", "shadow-utils", "util-linux"],
    "openssh-server": ["openssh", "shadow-utils"],
    "openssh-clients": ["openssh"],
    "rpm": ["fedora-release"],
    "dnf": ["rpm", "fedora-repos"],
}

# What other packages or people ask for by another name.
PROVIDES = {
    "bash": ["/bin/sh", "/bin/bash"],
    "coreutils": ["coreutils-common"],
    "fedora-release": ["system-release = 42", "system-release(releasever) = 42", "fedora-release-cloud = 42"],
    "kernel-core": ["kernel-modules-core", "kernel-modules", "installonlypkg(kernel)"],
    "kernel": ["installonlypkg(kernel)"],
    "grub2-common": ["grub2-tools-minimal"],
    "iproute": ["/sbin/ip"],
    "dash": ["/bin/dash"],
    "glibc": ["/sbin/ldconfig", "rtld(GNU_HASH)"],
    "glibc-langpack-en": ["glibc-langpack"],
    "util-linux": ["util-linux-core"],
    "python3": ["/usr/bin/python3"],
}

# Debian's dependencies of these packages are for maintainer scripts, or would pull in what Fedora's packages do not need.
INDEPENDENT = {"setup", "filesystem", "shim-x64", "grub2-efi-x64", "kernel-core"}
