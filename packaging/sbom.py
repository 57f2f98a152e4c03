#!/usr/bin/env python3
"""Prints a bill of materials of the program in the form of CycloneDX 1.6: every crate that is linked into it, and libguestfs, which it loads.

The crates are those that Cargo.lock pins. The same source gives the same text. Usage: packaging/sbom.py PROGRAM"""

import datetime
import hashlib
import json
import os
import subprocess
import sys
import uuid


def main():
    with open(sys.argv[1], "rb") as file:
        digest = hashlib.sha256(file.read()).hexdigest()
    host = next(
        line.split()[1] for line in subprocess.check_output(["rustc", "-vV"], text=True).splitlines() if line.startswith("host:")
    )
    target = os.environ.get("CARGO_BUILD_TARGET", host)
    command = ["cargo", "metadata", "--locked", "--format-version", "1", "--filter-platform", target]
    metadata = json.loads(subprocess.check_output(command))
    packages = {package["id"]: package for package in metadata["packages"]}
    nodes = {node["id"]: node for node in metadata["resolve"]["nodes"]}
    root = metadata["resolve"]["root"]

    def linked(identity):
        """Crates that become part of a crate: no tools of the build, no tests, and no macros, which run in the compiler."""
        crates = [crate["pkg"] for crate in nodes[identity]["deps"] if any(kind["kind"] is None for kind in crate["dep_kinds"])]
        return sorted(crate for crate in crates if all("proc-macro" not in target["kind"] for target in packages[crate]["targets"]))

    seen, wanted = set(), [root]
    while wanted:
        identity = wanted.pop()
        if identity not in seen:
            seen.add(identity)
            wanted.extend(linked(identity))

    def purl(identity):
        return f"pkg:cargo/{packages[identity]['name']}@{packages[identity]['version']}"

    with open("Cargo.lock", encoding="utf-8") as file:
        lock = [dict(line.split(" = ", 1) for line in part.splitlines() if " = " in line) for part in file.read().split("[[package]]")]
    checksums = {(entry.get("name"), entry.get("version")): entry.get("checksum", "").strip('"') for entry in lock}

    def component(identity):
        package = packages[identity]
        found = {"type": "library", "bom-ref": purl(identity), "name": package["name"], "version": package["version"], "purl": purl(identity)}
        checksum = checksums.get((f'"{package["name"]}"', f'"{package["version"]}"'))
        if checksum:
            found["hashes"] = [{"alg": "SHA-256", "content": checksum}]
        if package["license"]:
            found["licenses"] = [{"expression": package["license"].replace("/", " OR ")}]
        return found

    crates = sorted(seen - {root}, key=purl)
    library = {"type": "library", "bom-ref": "libguestfs", "name": "libguestfs", "scope": "required"}
    program = {"type": "application", "bom-ref": purl(root), "name": "goldsmith", "version": packages[root]["version"]}
    program["hashes"] = [{"alg": "SHA-256", "content": digest}]
    time = datetime.datetime.fromtimestamp(int(os.environ["SOURCE_DATE_EPOCH"]), datetime.timezone.utc)
    document = {
        "bomFormat": "CycloneDX",
        "specVersion": "1.6",
        "serialNumber": f"urn:uuid:{uuid.uuid5(uuid.NAMESPACE_OID, digest)}",
        "version": 1,
        "metadata": {"timestamp": time.strftime("%Y-%m-%dT%H:%M:%SZ"), "component": program},
        "components": [component(identity) for identity in crates] + [library],
        "dependencies": [{"ref": purl(identity), "dependsOn": [purl(crate) for crate in linked(identity)]} for identity in sorted(seen, key=purl)],
    }
    document["dependencies"][[entry["ref"] for entry in document["dependencies"]].index(purl(root))]["dependsOn"].append("libguestfs")
    print(json.dumps(document, indent=1, sort_keys=True))


main()
