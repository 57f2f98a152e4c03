#!/bin/sh
# Makes a signed repository of a few RPM packages with openSUSE's names: busybox of this machine, and scripts.
# Usage: make.sh WORK, where WORK gets out/repo and out/key.asc.
set -eu
here=$(dirname "$(realpath "$0")") work=$1
export RPM_FORCE_DEBIAN=1 SOURCE_DATE_EPOCH=1700000000
tree=$work/tree
mkdir -p "$tree/usr/bin" "$tree/usr/lib" "$tree/etc" "$work/rpms" "$work/out"
cp "$(command -v busybox)" "$tree/usr/bin/busybox"
for program in sh cat grep sed; do ln -s busybox "$tree/usr/bin/$program"; done
ln -s usr/bin "$tree/bin"
printf '%s\n' 'NAME="Synthetic distribution"' ID=opensuse-leap VERSION_ID=16.0 >"$tree/usr/lib/os-release"
ln -s ../usr/lib/os-release "$tree/etc/os-release"
rpmbuild -bb --quiet --define "_topdir $work/rpmbuild" --define "_rpmdir $work/rpms" \
    --define '_rpmfilename %%{NAME}-%%{VERSION}-%%{RELEASE}.%%{ARCH}.rpm' --define '_buildhost localhost' \
    --define '_build_id_links none' --define 'debug_package %{nil}' --define '__os_install_post %{nil}' \
    --define '__check_files %{nil}' --buildroot "$tree" "$here/packages.spec"
sh "$here/../rpm_distro/sign.sh" "$work/rpms" "$work/out"
