#!/bin/sh
# Installs packages of the repository into a directory by plain dnf, without Goldsmith. Signatures are checked, with
# REPO_GPGCHECK=0 only those of packages.
# Usage, as root of mount and PID namespaces: install.sh REPOSITORY WORK PACKAGE..., where the packages come into WORK/root.
set -eu
repository=$1 work=$2
shift 2
root=$work/root
mkdir -p "$root/proc" "$root/sys" "$root/dev" "$work/home" "$work/repos" "$work/none"
# Debian's rpm keeps its database elsewhere. dnf has no option for this.
echo '%_dbpath /usr/lib/sysimage/rpm' >"$work/home/.rpmmacros"
cat >"$work/repos/synthetic.repo" <<END
[synthetic]
name=Synthetic distribution
baseurl=file://$repository/repo
gpgkey=file://$repository/key.asc
gpgcheck=1
repo_gpgcheck=${REPO_GPGCHECK-1}
END
# dnf puts its cache, logs and history below the root, whatever their paths are.
cat >"$work/dnf.conf" <<END
[main]
gpgcheck=1
install_weak_deps=0
best=1
skip_if_unavailable=0
plugins=0
tsflags=nodocs
reposdir=$work/repos
varsdir=$work/none
END
# Scriptlets need /proc and /dev/null, and dracut looks into /sys.
mount -t proc proc "$root/proc"
mount --rbind /sys "$root/sys"
mount --rbind /dev "$root/dev"
RPM_FORCE_DEBIAN=1 HOME=$work/home exec dnf --assumeyes --config="$work/dnf.conf" --installroot="$root" --releasever=42 \
    install "$@"
