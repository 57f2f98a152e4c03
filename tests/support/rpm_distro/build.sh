#!/bin/sh
# Builds RPM packages by the spec file of spec.py, and a package of what they require and nothing provides.
# Usage: build.sh WORK TREE, where packages come into WORK/rpms. The tree is used up.
set -eu
work=$1 tree=$2
export RPM_FORCE_DEBIAN=1 SOURCE_DATE_EPOCH=1700000000

# Debian's files are as they should be: no program changes or checks them. rpm's own generators find the dependencies of ELF
# files and scripts. Kernel modules have none that others could meet.
build() {
    rpmbuild -bb --quiet --define "_topdir $work/rpmbuild" --define "_rpmdir $work/rpms" \
        --define '_rpmfilename %%{NAME}-%%{VERSION}-%%{RELEASE}.%%{ARCH}.rpm' \
        --define '_binary_payload w1.zstdio' --define '_buildhost localhost' --define '_smp_mflags -j2' \
        --define '_build_id_links none' --define 'debug_package %{nil}' --define '__os_install_post %{nil}' \
        --define '__check_files %{nil}' --define '__elf_exclude_path ^/usr/lib/(modules|grub)/' \
        --define '__provides_exclude_from ^/usr/lib/python3' "$@" 2>"$work/said" || { cat "$work/said" >&2; exit 1; }
}

mkdir -p "$work/rpms" "$work/none" "$work/attributes"
# Only these kinds of files have dependencies.
cp /usr/lib/rpm/fileattrs/elf.attr /usr/lib/rpm/fileattrs/script.attr "$work/attributes"
build --define "_fileattrsdir $work/attributes" --buildroot "$tree" "$work/distribution.spec"

query() {
    rpm -qp --nosignature "$@" "$work"/rpms/*.rpm
}
query --provides | sed 's/ .*//' | sort -u >"$work/provides"
query --list | sort -u >>"$work/provides"
query --requires | sed 's/ .*//' | grep -v -e '^rpmlib(' -e '^(' | sort -u | grep -vxFf "$work/provides" >"$work/missing" || :
{
    printf 'Name: synthetic-compat\nVersion: 42\nRelease: 1.fc42\nSummary: what nothing else provides\nLicense: none\n'
    printf 'BuildArch: noarch\n'
    sed 's/^/Provides: /' "$work/missing"
    printf '%%description\nRequirements of packages of Debian that nothing in this distribution meets.\n%%files\n'
} >"$work/compat.spec"
build --buildroot "$work/none" "$work/compat.spec"
