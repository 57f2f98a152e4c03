#!/usr/bin/env python3
"""Writes a spec file that makes RPM packages of a tree that layout.py has changed: one run of rpmbuild makes all packages.
Which package has which file comes from Debian's database; owners, modes, capabilities and dependencies come with it.
Usage: spec.py TREE OWNERS SCRIPTLETS WORK, where OWNERS is the file of layout.py, and WORK gets distribution.spec and lists/."""

import os
import pathlib
import re
import stat
import struct
import subprocess
import sys

from names import DROPPED, INDEPENDENT, PROVIDES, REQUIRES, RPM_NAMES

DIST = ".fc42"
# Not in any package: what the kernel mounts, caches, logs, Debian's own package management, and what a machine makes itself.
SKIPPED = re.compile(
    r"""
    # what the kernel mounts, logs and caches
    ^/(proc|sys|dev|run|tmp)/
    |^/var/(log|cache|tmp)/(?!journal$|ldconfig$|chrony$|private$)
    # package management of Debian, and other init systems
    |^/var/lib/(dpkg|apt|ucf|pam|sgml-base|xml-core|python|cloud|systemd/deb-|shells\.state)
    |^/etc/(apt|alternatives|dpkg|rc\d|rcS|init\.d|init$|runit|sv|sgml|xml|apparmor|python3/debian|cron|update-motd\.d)
    |^/lib/init|^/usr/lib/(dpkg|apt|init)(/|$)|^/usr/share/(base-|initramfs-tools)|/dpkg-[^/]*$
    |^/usr/bin/update-(passwd|secureboot-policy|initramfs|rc\.d)$
    # what a machine makes itself; presets enable the units
    |^/etc/(hostname|machine-id|fstab|timezone|localtime|resolv\.conf|ld\.so\.cache|debian_version|locale\.gen)$
    |^/etc/(modules|default/locale|ca-certificates\.conf|ssh/ssh_host_.*)$|^/etc/[^/]*-$|^/etc/\.
    |^/var/lib/(dbus/machine-id|systemd/catalog/)|^/etc/systemd/system/.*
    |^/(vmlinuz|initrd\.img)|^/boot/(initrd|grub$)
    # manuals and translations
    |^/usr/share/(doc|man|info|locale|lintian|bug|debconf|apport|menu)(/|$)
    """,
    re.VERBOSE,
)


def owner_of_packages(tree, owners):
    """The RPM package of each path: by Debian's lists of files, then by layout.py."""
    owner = {}
    for listing in sorted(pathlib.Path(tree, "var/lib/dpkg/info").glob("*.list")):
        package = rpm_name(listing.stem.split(":")[0])
        for line in listing.read_text().splitlines():
            owner.setdefault(merged(line), package)
    for line in pathlib.Path(owners).read_text().splitlines():
        package, path = line.split(" ", 1)
        owner[path] = package
    return owner


def merged(path):
    """The path after the merge of /bin and /sbin into /usr/bin, and of /lib into /usr/lib."""
    return re.sub(r"^/(usr/)?s?bin(?=/|$)", "/usr/bin", re.sub(r"^/lib(64)?(?=/|$)", r"/usr/lib\1", path))


def rpm_name(deb):
    if deb in DROPPED or deb.startswith("linux-image-cloud"):
        return None
    if deb.startswith("linux-image-"):
        return "kernel-core"
    return RPM_NAMES.get(deb, deb)


def contents(tree, owner):
    """Files of each package, and directories: of the package that alone has files below one, else of `filesystem`."""
    files, directories, below = {}, [], {}
    for root, subdirectories, names in os.walk(tree):
        here = root[len(tree):]
        links = [name for name in subdirectories if os.path.islink(os.path.join(root, name))]
        subdirectories[:] = sorted(
            name for name in subdirectories if name not in links and not SKIPPED.search(f"{here}/{name}"))
        directories += [f"{here}/{name}" for name in subdirectories]
        for name in sorted(names + links):
            path = f"{here}/{name}"
            if SKIPPED.search(path):
                continue
            package = owner.get(path, "")
            if package == "" and "/__pycache__/" in path:
                source = re.sub(r"/__pycache__/([^/]*)\.cpython-\d+\.pyc$", r"/\1.py", path)
                package = owner.get(source)
            if package == "":
                print(f"spec.py: no package has {path}", file=sys.stderr)
            if not package:
                continue
            files.setdefault(package, []).append(path)
            for parent in pathlib.PurePath(path).parents:
                below.setdefault(str(parent), set()).add(package)
    for directory in directories:
        packages = below.get(directory) or {owner.get(directory, "filesystem")}
        package = next(iter(packages)) if len(packages) == 1 else "filesystem"
        if package:
            files.setdefault(package, []).insert(0, directory)
    return files


def capabilities(path):
    """The capabilities of a program, as rpm writes them."""
    try:
        magic, permitted, _, high, _ = struct.unpack("<IIIII", os.getxattr(path, "security.capability")[:20])
    except OSError:
        return ""
    held = [str(bit) for bit in range(64) if (permitted | high << 32) >> bit & 1]
    return f"%caps({','.join(held)}={'ep' if magic & 1 else 'p'}) "


def file_line(tree, path, users, groups):
    full = tree + path
    status = os.lstat(full)
    line = f'"{path}"'
    if stat.S_ISLNK(status.st_mode):
        return line
    mode = f"%attr({stat.S_IMODE(status.st_mode):04o}, {users[status.st_uid]}, {groups[status.st_gid]}) "
    if stat.S_ISDIR(status.st_mode):
        return f"%dir {mode}{line}"
    mode += capabilities(full)
    if path.startswith("/etc/") and not path.startswith("/etc/grub.d/"):
        mode += "%config(noreplace) "
    return mode + line


def identifiers(tree, name):
    """Names of users or groups by number."""
    lines = pathlib.Path(tree, "etc", name).read_text().splitlines()
    return {int(fields[2]): fields[0] for fields in map(lambda line: line.split(":"), lines)}


def packages_of_debian(tree):
    """Version, release and dependencies of each RPM package, by what Debian's database says."""
    fields = "${Package}\t${Version}\t${Depends}, ${Pre-Depends}\t${Provides}\t${binary:Summary}\t${db:Status-Status}\n"
    query = ["chroot", tree, "dpkg-query", "-W", "-f", fields]
    rows = [line.split("\t") for line in subprocess.check_output(query, text=True).splitlines()]
    rows = [row for row in rows if row[5] == "installed" and rpm_name(row[0])]
    known = {row[0]: rpm_name(row[0]) for row in rows}
    for row in rows:
        for provided in row[3].split(","):
            known.setdefault(provided.split("(")[0].strip(), rpm_name(row[0]))
    packages = {}
    for deb, version, depends, _, summary, _ in rows:
        upstream, _, revision = version.split(":")[-1].rpartition("-")
        if not upstream:
            upstream, revision = revision, "1"
        package = packages.setdefault(rpm_name(deb), {
            "version": clean(upstream), "release": clean(revision) + DIST, "summary": summary, "requires": set()})
        for alternatives in depends.split(","):
            for alternative in alternatives.split("|"):
                found = known.get(re.split(r"[ (:]", alternative.strip())[0])
                if found:
                    package["requires"].add(found)
                    break
    return packages


def clean(version):
    return re.sub(r"[^A-Za-z0-9.+~^_]", ".", version)


def write_spec(tree, scriptlets, work, files, packages):
    users, groups = identifiers(tree, "passwd"), identifiers(tree, "group")
    lists = pathlib.Path(work, "lists").resolve()
    lists.mkdir(exist_ok=True)
    # rpmbuild wants a main package, which has no files and so is not made.
    out = ["Name: distribution", "Version: 42", f"Release: 1{DIST}", "Summary: source of all packages", "License: various",
           "%description", "Debian's packages under Fedora's names, for tests."]
    names = set(files) | set(REQUIRES)
    for name in sorted(names):
        facts = packages.get(name, {"version": "42", "release": f"1{DIST}", "summary": "synthetic", "requires": set()})
        if name == "kernel":
            facts = packages["kernel-core"] | {"requires": set()}
        of_debian = set() if name in INDEPENDENT else facts["requires"] & names - {name}
        requires = of_debian | set(REQUIRES.get(name, []))
        out += ["", f"%package -n {name}", f"Version: {facts['version']}", f"Release: {facts['release']}",
                f"Summary: {facts['summary']}"]
        out += [f"Requires: {other}" for other in sorted(requires)]
        out += [f"Provides: {other}" for other in PROVIDES.get(name, [])]
        if name == "filesystem":
            out.append("Requires(pre): setup")
        elif name != "setup":
            out.append("Requires(pre): filesystem")
        out += [f"%description -n {name}", "A package of Debian under a name of Fedora, for tests."]
        for scriptlet in sorted(pathlib.Path(scriptlets).glob(f"{name}.*")):
            out += [f"%{scriptlet.suffix[1:]} -n {name}", scriptlet.read_text().replace("%", "%%")]
        units = units_of(tree, files.get(name, []))
        if units and name != "systemd":
            # Like %systemd_post. What is installed before systemd gets its units enabled by systemd's own scriptlet.
            preset = f"systemctl preset {' '.join(units)}"
            out += [f"%post -n {name}", f"[ $1 != 1 ] || ! command -v systemctl >/dev/null || {preset} || :"]
        if name == "kernel-core":
            out.append("%files -n kernel-core -f " + str(lists / name))
            for path in files[name]:
                if kernel := re.fullmatch(r"/usr/lib/modules/([^/]*)/vmlinuz", path):
                    out += [f"%ghost %attr(0600, root, root) /boot/{made}-{kernel[1]}{end}" for made, end in
                            (("vmlinuz", ""), ("System.map", ""), ("config", ""), ("initramfs", ".img"))]
        else:
            out.append(f"%files -n {name}" + (f" -f {lists / name}" if name in files else ""))
        lines = [file_line(tree, path, users, groups) for path in files.get(name, [])]
        if name == "setup":
            lines = [re.sub(r'^(.*)("/etc/(passwd|group|shadow|gshadow|subuid|subgid|shells|motd)")$',
                            r"\1%verify(not md5 size mtime) \2", line) for line in lines]
        (lists / name).write_text("\n".join(lines) + "\n")
    pathlib.Path(work, "distribution.spec").write_text("\n".join(out) + "\n")
    print(f"{len(files)} packages with files, {sum(map(len, files.values()))} files")


def units_of(tree, paths):
    """Units of a package that can be enabled."""
    units = [path for path in paths if re.fullmatch(r"/usr/lib/systemd/system/[^/@]*\.(service|socket|timer|target|path)", path)]
    return [os.path.basename(path) for path in units
            if not os.path.islink(tree + path) and "\n[Install]" in pathlib.Path(tree + path).read_text()]


def main():
    tree, owners, scriptlets, work = sys.argv[1:]
    tree = tree.rstrip("/")
    files = contents(tree, owner_of_packages(tree, owners))
    write_spec(tree, scriptlets, work, files, packages_of_debian(tree))


main()
