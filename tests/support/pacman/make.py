#!/usr/bin/env python3
"""Makes a signed repository of a few packages with Arch Linux's names, in the form of Arch Linux's mirrors.
Usage: make.py WORK BUSYBOX, where WORK gets out/core/os/x86_64/ with the database and the packages, and keyrings: keys/arch.gpg, for
whose packagers three keys vouch as Arch Linux's master keys do, and keys/other.gpg, which knows none of them."""

import gzip
import hashlib
import io
import os
import pathlib
import shutil
import subprocess
import sys
import tarfile
import tempfile

WORK, BUSYBOX = map(pathlib.Path, sys.argv[1:3])
REPOSITORY = WORK / "out/core/os/x86_64"
KEYS = WORK / "keys"
TIME = 1_700_000_000


def gpg(*arguments):
    command = ["gpg", "--batch", "--quiet", "--yes", "--pinentry-mode", "loopback", "--passphrase", "", *arguments]
    return subprocess.run(command, check=True, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE).stdout


def key(name):
    """Makes a key. Returns its fingerprint."""
    gpg("--quick-generate-key", f"{name} <{name}@localhost>", "ed25519", "default", "never")
    lines = gpg("--with-colons", "--list-keys", name).decode().splitlines()
    return next(line.split(":")[9] for line in lines if line.startswith("fpr:"))


def tar(members):
    """An archive of files that belong to root: text, `-> TARGET` for a link, or None for a directory."""
    buffer = io.BytesIO()
    with tarfile.open(fileobj=buffer, mode="w", format=tarfile.PAX_FORMAT) as archive:
        for name, content, mode in members:
            info = tarfile.TarInfo(name)
            info.mtime, info.mode, info.uname, info.gname = TIME, mode, "root", "root"
            if content is None:
                info.type = tarfile.DIRTYPE
            elif isinstance(content, str) and content.startswith("-> "):
                info.type, info.linkname = tarfile.SYMTYPE, content[3:]
            else:
                content = content.encode() if isinstance(content, str) else content
                info.size = len(content)
            archive.addfile(info, io.BytesIO(content) if info.size else None)
    return buffer.getvalue()


def mtree(members):
    """What a package has: mtree(5)."""
    lines = ["#mtree", "/set type=file uid=0 gid=0 mode=644"]
    for name, content, mode in members:
        line = f"./{name} time={TIME}.0 mode={mode:o}"
        if content is None:
            line += " type=dir"
        elif isinstance(content, str) and content.startswith("-> "):
            line += f" type=link link={content[3:]}"
        else:
            content = content.encode() if isinstance(content, str) else content
            line += f" size={len(content)} sha256digest={hashlib.sha256(content).hexdigest()}"
        lines.append(line)
    return gzip.compress(("\n".join(lines) + "\n").encode(), mtime=0)


def package(name, files, depends=(), install=None, signer="packager"):
    """Makes a package: PKGINFO(5). Returns its entry of the database: alpm-repo-desc(5)."""
    info = ["# a synthetic package", f"pkgname = {name}", f"pkgbase = {name}", "xdata = pkgtype=pkg", "pkgver = 1:1.0-1",
            f"pkgdesc = synthetic {name}", "url = https://localhost/", f"builddate = {TIME}", "packager = packager <packager@localhost>",
            "size = 4096", "arch = x86_64", "license = none"] + [f"depend = {other}" for other in depends]
    members = [(".PKGINFO", "\n".join(info) + "\n", 0o644)]
    if install:
        members.append((".INSTALL", install, 0o644))
    members += files
    data = tar([(".MTREE", mtree(members), 0o644)] + members)
    file = REPOSITORY / f"{name}-1:1.0-1-x86_64.pkg.tar.zst"
    file.write_bytes(subprocess.run(["zstd", "-q", "-c"], input=data, check=True, stdout=subprocess.PIPE).stdout)
    gpg("--local-user", signer, "--detach-sign", "--output", f"{file}.sig", str(file))
    packed = file.read_bytes()
    values = [("FILENAME", [file.name]), ("NAME", [name]), ("BASE", [name]), ("VERSION", ["1:1.0-1"]), ("DESC", [f"synthetic {name}"]),
              ("CSIZE", [len(packed)]), ("ISIZE", [4096]), ("MD5SUM", [hashlib.md5(packed).hexdigest()]),
              ("SHA256SUM", [hashlib.sha256(packed).hexdigest()]), ("URL", ["https://localhost/"]), ("LICENSE", ["none"]),
              ("ARCH", ["x86_64"]), ("BUILDDATE", [TIME]), ("PACKAGER", ["packager <packager@localhost>"]), ("DEPENDS", depends)]
    desc = "\n".join(f"%{key}%\n" + "".join(f"{line}\n" for line in lines) for key, lines in values if lines) + "\n"
    return [(f"{name}-1:1.0-1", None, 0o755), (f"{name}-1:1.0-1/desc", desc, 0o644)]


def keyring(name, masters, others, revoked):
    (KEYS / f"{name}.gpg").write_bytes(gpg("--export", *masters, *others))
    (KEYS / f"{name}-trusted").write_text("".join(f"{master}:4:\n" for master in masters))
    (KEYS / f"{name}-revoked").write_text("".join(f"{one}\n" for one in revoked))


def make():
    masters = [key(f"master{number}") for number in (1, 2, 3)]
    packager, former, newcomer = key("packager"), key("former"), key("newcomer")
    for count, other in ((3, packager), (3, former), (1, newcomer)):
        for master in masters[:count]:
            gpg("--local-user", master, "--quick-sign-key", other)
    keyring("arch", masters, [packager, former, newcomer], [former, "0" * 40])
    keyring("other", [key("stranger")], [], [])

    directory = lambda path: (path, None, 0o755)
    os_release = 'NAME="Synthetic distribution"\nID=arch\nBUILD_ID=rolling\n'
    hook = "[Trigger]\nOperation = Install\nType = Package\nTarget = base\n\n[Action]\nDescription = Noting hooks...\n" \
        "When = PostTransaction\nExec = /usr/bin/sh -c 'echo hook >/etc/of-the-hook'\n"
    database = package("filesystem", [
        directory("etc"), ("etc/os-release", os_release, 0o644), ("etc/shadow", "root::14871::::::\n", 0o600),
        directory("usr"), directory("usr/bin"), ("bin", "-> usr/bin", 0o777), ("proc", None, 0o555), ("sys", None, 0o555),
        ("tmp", None, 0o1777)])
    database += package("busybox", [
        directory("usr"), directory("usr/bin"), ("usr/bin/busybox", BUSYBOX.read_bytes(), 0o755),
        *((f"usr/bin/{program}", "-> busybox", 0o777) for program in ("sh", "cat", "true", "false"))], ["filesystem"])
    database += package("pacman", [
        directory("etc"), ("etc/pacman.conf", "[options]\n[core]\nInclude = /etc/pacman.d/mirrorlist\n", 0o644), directory("etc/pacman.d"),
        ("etc/pacman.d/mirrorlist", "#Server = https://localhost/$repo/os/$arch\n", 0o644)], ["busybox"])
    hooks = [directory("usr"), directory("usr/share"), directory("usr/share/libalpm"), directory("usr/share/libalpm/hooks")]
    database += package("base", [*hooks, ("usr/share/libalpm/hooks/base.hook", hook, 0o644)], ["filesystem", "busybox", "pacman"],
                        "post_install() {\n    cat /etc/os-release >/etc/of-the-script\n}\n")
    etc = [directory("etc")]
    database += package("broken", etc, ["busybox"], "post_install() {\n    false\n}\n")
    broken = hook.replace("base", "broken-hook").replace("sh -c 'echo hook >/etc/of-the-hook'", "false")
    database += package("broken-hook", [*hooks, ("usr/share/libalpm/hooks/broken.hook", broken, 0o644)], ["busybox"])
    database += package("needy", etc, ["no-such-library"])
    database += package("of-a-former", etc, signer="former")
    database += package("of-a-newcomer", etc, signer="newcomer")
    (REPOSITORY / "core.db").write_bytes(gzip.compress(tar(database), mtime=0))


REPOSITORY.mkdir(parents=True)
KEYS.mkdir()
# The agent's socket needs a short path.
os.environ["GNUPGHOME"] = tempfile.mkdtemp(prefix="pacman-test.", dir="/tmp")
try:
    make()
finally:
    subprocess.run(["gpgconf", "--kill", "all"], check=False)
    subprocess.run(["gpgconf", "--remove-socketdir"], check=False)
    shutil.rmtree(os.environ["GNUPGHOME"], ignore_errors=True)
