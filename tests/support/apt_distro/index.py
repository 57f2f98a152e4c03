#!/usr/bin/env python3
"""Writes the signed indexes of an apt repository. Usage: index.py REPO FINGERPRINT, where REPO/pool has SUITE/COMPONENT/*.deb.
Each suite has the packages of its own directory."""

import gzip
import hashlib
import pathlib
import subprocess
import sys
import time

SUITES, COMPONENTS, ARCH = ("noble", "noble-updates", "noble-security"), ("main", "universe"), "amd64"


def stanza(repo, deb):
    control = subprocess.check_output(["dpkg-deb", "-f", str(deb)], text=True).rstrip("\n")
    content = deb.read_bytes()
    return (f"{control}\nFilename: {deb.relative_to(repo)}\nSize: {len(content)}\n"
            f"SHA256: {hashlib.sha256(content).hexdigest()}\n\n")


def main():
    repo, fingerprint = pathlib.Path(sys.argv[1]), sys.argv[2]
    for suite in SUITES:
        dists = repo / "dists" / suite
        listed = []
        for component in COMPONENTS:
            packages = "".join(stanza(repo, deb) for deb in sorted((repo / "pool" / suite / component).glob("*.deb"))).encode()
            for name, content in (("Packages", packages), ("Packages.gz", gzip.compress(packages, mtime=0))):
                path = dists / component / f"binary-{ARCH}" / name
                path.parent.mkdir(parents=True, exist_ok=True)
                path.write_bytes(content)
                listed.append(f" {hashlib.sha256(content).hexdigest()} {len(content)} {path.relative_to(dists)}")
        release = ["Origin: Ubuntu", "Label: Ubuntu", f"Suite: {suite}", "Codename: noble", "Version: 24.04",
                   time.strftime("Date: %a, %d %b %Y %H:%M:%S UTC", time.gmtime()), f"Architectures: {ARCH}",
                   f"Components: {' '.join(COMPONENTS)}", "Description: Debian's programs with Ubuntu's names, for tests",
                   "SHA256:", *listed, ""]
        (dists / "Release").write_text("\n".join(release))
        subprocess.run(["gpg", "--batch", "--quiet", "--local-user", fingerprint, "--digest-algo", "SHA512", "--clearsign",
                        "--output", str(dists / "InRelease"), str(dists / "Release")], check=True)


main()
