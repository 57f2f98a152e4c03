#!/usr/bin/env python3
"""Makes a signed repository of a few packages with Alpine's names, in the form of Alpine's mirrors: version 2 of apk's packages.
Usage: make.py WORK BUSYBOX, where WORK gets out/main/x86_64/ with the index and the packages, and keys/test.rsa.pub."""

import gzip
import hashlib
import io
import pathlib
import subprocess
import sys
import tarfile

WORK, BUSYBOX, APK = map(pathlib.Path, sys.argv[1:4])
REPOSITORY = WORK / "out/main/x86_64"
KEY = WORK / "key.pem"
TIME = 1_700_000_000


def segment(members, end=False):
    """A gzip member with a part of a tar archive; only the last part has the archive's end."""
    buffer = io.BytesIO()
    with tarfile.open(fileobj=buffer, mode="w", format=tarfile.PAX_FORMAT) as tar:
        for name, content, mode in members:
            info = tarfile.TarInfo(name)
            info.mtime = TIME
            info.mode = mode
            if content is None:
                info.type = tarfile.DIRTYPE
            elif isinstance(content, str):
                info.type, info.linkname = tarfile.SYMTYPE, content
                info.pax_headers = {"APK-TOOLS.checksum.SHA1": hashlib.sha1(content.encode()).hexdigest()}
            else:
                info.size = len(content)
                info.pax_headers = {"APK-TOOLS.checksum.SHA1": hashlib.sha1(content).hexdigest()}
            tar.addfile(info, io.BytesIO(content) if isinstance(content, bytes) else None)
        length = tar.offset
    data = buffer.getvalue() if end else buffer.getvalue()[:length]
    return gzip.compress(data, mtime=0)


def signed(content):
    """The content behind a segment with its signature."""
    sign = ["openssl", "dgst", "-sha1", "-sign", KEY]
    signature = subprocess.run(sign, input=content, check=True, capture_output=True).stdout
    return segment([(".SIGN.RSA.test.rsa.pub", signature, 0o644)]) + content


def package(name, files, depends=(), script=None):
    data = segment(files, end=True)
    info = [f"pkgname = {name}", "pkgver = 1.0-r0", f"pkgdesc = synthetic {name}", "url = none", f"builddate = {TIME}",
            "size = 4096", "arch = x86_64", f"origin = {name}", "license = none", f"datahash = {hashlib.sha256(data).hexdigest()}"]
    info += [f"depend = {other}" for other in depends]
    control = [(".PKGINFO", ("\n".join(info) + "\n").encode(), 0o644)]
    if script:
        control.append((".post-install", script.encode(), 0o755))
    (REPOSITORY / f"{name}-1.0-r0.apk").write_bytes(signed(segment(control)) + data)


REPOSITORY.mkdir(parents=True)
(WORK / "keys").mkdir()
subprocess.run(["openssl", "genrsa", "-out", KEY, "2048"], check=True, capture_output=True)
subprocess.run(["openssl", "rsa", "-in", KEY, "-pubout", "-out", WORK / "keys/test.rsa.pub"], check=True, capture_output=True)
os_release = b'NAME="Synthetic distribution"\nID=alpine\nVERSION_ID=3.23.0\n'
package("alpine-base", [("etc", None, 0o755), ("etc/os-release", os_release, 0o644)], ["busybox", "apk-tools"],
        "#!/bin/sh\ncat /etc/os-release >/etc/of-the-script\n")
package("busybox", [("bin", None, 0o755), ("bin/busybox", BUSYBOX.read_bytes(), 0o755), ("bin/sh", "busybox", 0o777),
                    ("bin/cat", "busybox", 0o777)])
package("apk-tools", [("etc", None, 0o755), ("etc/apk", None, 0o755), ("etc/apk/keys", None, 0o755)])
package("broken", [("etc", None, 0o755)], ["busybox"], "#!/bin/sh\nexit 3\n")
packages = sorted(REPOSITORY.glob("*.apk"))
subprocess.run([APK, "index", "--allow-untrusted", "--quiet", "--output", WORK / "unsigned.tar.gz", *packages], check=True)
(REPOSITORY / "APKINDEX.tar.gz").write_bytes(signed((WORK / "unsigned.tar.gz").read_bytes()))
