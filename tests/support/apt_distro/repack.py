#!/usr/bin/env python3
"""Makes packages with Ubuntu's names and dependencies of packages of Debian.
Usage: repack.py POOL FILES KEYRING WORK OUT. POOL has Debian's packages, FILES/PACKAGE what a package gets in addition. OUT gets
SUITE/COMPONENT/*.deb."""

import hashlib
import io
import pathlib
import re
import shutil
import subprocess
import sys
import tarfile

NOBLE, UPDATES, SECURITY = "noble", "noble-updates", "noble-security"
# What Ubuntu has in universe. All else is in main.
UNIVERSE = {"qemu-guest-agent", "ed"}


def run(*words):
    subprocess.run(words, check=True, stdout=subprocess.DEVNULL)


def field(control, name):
    found = re.search(rf"^{name}: (.*)$", control, re.MULTILINE)
    return found[1] if found else ""


def with_field(control, name, value):
    """The control file with another value of a field, or with a new field."""
    changed, count = re.subn(rf"^{name}: .*$", lambda _: f"{name}: {value}", control, flags=re.MULTILINE)
    return changed if count else f"{name}: {value}\n{control}"


class Package:
    """A package, unpacked to be changed."""

    def __init__(self, deb, work):
        self.tree = pathlib.Path(work, deb.stem)
        run("dpkg-deb", "-R", str(deb), str(self.tree))

    @classmethod
    def new(cls, work, name, version, depends="", provides="", arch="all"):
        self = cls.__new__(cls)
        self.tree = pathlib.Path(work, f"{name}_{version}")
        self.write("DEBIAN/control", "\n".join(
            [f"Package: {name}", f"Version: {version}", f"Architecture: {arch}", "Maintainer: Tests <tests@example.org>",
             "Priority: optional", "Section: misc"] + [f"Depends: {depends}"] * bool(depends)
            + [f"Provides: {provides}"] * bool(provides) + ["Description: a synthetic package for tests", ""]))
        return self

    def write(self, path, content):
        file = self.tree / path
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_bytes(content if isinstance(content, bytes) else content.encode())

    def edit(self, path, *changes):
        text = (self.tree / path).read_text()
        for old, new in changes:
            text, count = re.subn(old, new, text, flags=re.MULTILINE)
            if not count:
                sys.exit(f"repack.py: {path} has nothing like {old}")
        (self.tree / path).write_text(text)

    def control(self, **values):
        file = self.tree / "DEBIAN/control"
        control = file.read_text()
        for name, value in values.items():
            control = with_field(control, name.replace("_", "-"), value(field(control, name)) if callable(value) else value)
        file.write_text(control)

    def add(self, files):
        shutil.copytree(files, self.tree, dirs_exist_ok=True, symlinks=True)

    def build(self, out):
        files = [file for file in sorted(self.tree.rglob("*")) if file.is_file() and not file.is_symlink()]
        files = [file for file in files if self.tree / "DEBIAN" not in file.parents]
        self.write("DEBIAN/md5sums", "".join(
            f"{hashlib.md5(file.read_bytes()).hexdigest()}  {file.relative_to(self.tree)}\n" for file in files))
        out.mkdir(parents=True, exist_ok=True)
        run("dpkg-deb", "--root-owner-group", "-Zgzip", "-z1", "-b", str(self.tree), str(out))


def with_other_control(deb, change, out):
    """Copies a package with a changed control file. Its data, which can be large, stay as they are."""
    content = deb.read_bytes()
    assert content[:8] == b"!<arch>\n"
    made, at = bytearray(content[:8]), 8
    while at < len(content):
        header, size = content[at:at + 60], int(content[at + 48:at + 58])
        data = content[at + 60:at + 60 + size]
        at += 60 + size + size % 2
        if header.startswith(b"control.tar"):
            data = changed_control(data, change)
            header = b"control.tar.gz".ljust(16) + header[16:48] + str(len(data)).encode().ljust(10) + header[58:]
        made += header + data + b"\n" * (len(data) % 2)
    out.mkdir(parents=True, exist_ok=True)
    (out / deb.name).write_bytes(made)


def changed_control(archive, change):
    made = io.BytesIO()
    with tarfile.open(fileobj=io.BytesIO(archive)) as old, tarfile.open(fileobj=made, mode="w:gz", compresslevel=1) as new:
        for member in old:
            data = old.extractfile(member).read() if member.isfile() else b""
            if member.name.lstrip("./") == "control":
                data = change(data.decode()).encode()
                member.size = len(data)
            new.addfile(member, io.BytesIO(data))
    return made.getvalue()


def kernel(control):
    """Kernel packages of Ubuntu only recommend a program that makes the initramfs."""
    depends = [one for one in field(control, "Depends").split(", ") if not one.startswith("initramfs-tools")]
    return with_field(with_field(control, "Depends", ", ".join(depends)), "Recommends", "initramfs-tools | linux-initramfs-tool")


def main():
    pool, files, keyring, work, out = map(pathlib.Path, sys.argv[1:])
    work.mkdir()
    debs = {deb.name.split("_")[0]: deb for deb in pool.glob("*.deb")}
    # Ubuntu's systems trust Ubuntu's keys.
    debs.pop("debian-archive-keyring")
    debs.pop("linux-image-cloud-amd64")

    def place(name, suite=NOBLE):
        return out / suite / ("universe" if name in UNIVERSE else "main")

    base = Package(debs.pop("base-files"), work)
    base.add(files / "base-files")
    base.control(Version="13ubuntu10")
    base.build(place("base-files"))
    base.control(Version="13ubuntu10.1")
    base.build(place("base-files", UPDATES))

    for version, suite in (("2023.11.28.1", NOBLE), ("2023.11.28.2", SECURITY)):
        # apt of Debian depends on Debian's keyring.
        package = Package.new(work, "ubuntu-keyring", version, provides="debian-archive-keyring")
        package.write("usr/share/keyrings/ubuntu-archive-keyring.gpg", keyring.read_bytes())
        package.build(place("ubuntu-keyring", suite))

    image, version = next((name, deb.name.split("_")[1]) for name, deb in debs.items() if name.startswith("linux-image-"))
    with_other_control(debs.pop(image), kernel, place(image))
    for name, depends in (("linux-image-virtual", image), ("linux-virtual", "linux-image-virtual")):
        Package.new(work, name, version, depends=depends, arch="amd64").build(place(name))

    grub = Package(debs.pop("grub2-common"), work)
    (grub.tree / "usr/sbin/grub-install").rename(grub.tree / "usr/sbin/grub-install.debian")
    grub.add(files / "grub2-common")
    grub.build(place("grub2-common"))

    signed = Package(debs.pop("grub-efi-amd64-signed"), work)
    signed.add(files / "grub-efi-amd64-signed")
    signed.control(Depends=lambda old: f"{old}, grub-efi-amd64 | grub-pc, grub2-common")
    signed.build(place("grub-efi-amd64-signed"))

    cloud = Package(debs.pop("cloud-init"), work)
    cloud.edit("etc/cloud/cloud.cfg", (r"^( *)distro: debian$", r"\1distro: ubuntu"), (r"^( *)name: debian$", r"\1name: ubuntu"),
               (r"^( *)gecos: Debian$", r"\1gecos: Ubuntu"))
    cloud.build(place("cloud-init"))

    for name, deb in debs.items():
        place(name).mkdir(parents=True, exist_ok=True)
        deb.rename(place(name) / deb.name)


main()
