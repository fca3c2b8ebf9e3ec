#!/usr/bin/env python3
"""Holds what Cargo.toml and the README say about the oldest Rust against what the dependencies declare.

For each feature alone: no package that it builds may declare a later `rust-version` than the crate does, or than
`[package.metadata.rust-versions]` says for that feature. What a package does not declare cannot be seen here: the
GitHub workflow compiles with the old toolchains themselves.
"""

import json
import subprocess
import sys
from pathlib import Path


def output(*command):
    return subprocess.run(command, check=True, stdout=subprocess.PIPE, text=True).stdout


def number(version):
    return tuple(int(part) for part in version.split("."))[:2]


def built_by(feature):
    """Name and version of everything that is built with this feature alone, on any platform."""
    lines = output(
        "cargo", "tree", "--locked", "--edges=normal,build", "--target=all", "--prefix=none", "--format={p}",
        f"--features={feature}",
    )  # fmt: skip
    return {tuple(line.split()[:2]) for line in lines.splitlines() if line.strip()}


metadata = json.loads(output("cargo", "metadata", "--locked", "--format-version=1", "--all-features"))
declared = {(p["name"], "v" + p["version"]): p["rust_version"] for p in metadata["packages"]}
crate = next(p for p in metadata["packages"] if p["id"] == metadata["resolve"]["root"])
later = (crate["metadata"] or {}).get("rust-versions", {})
readme = Path("README.md").read_text()
wrong = [
    f"README.md does not mention Rust {version}" for version in {crate["rust_version"], *later.values()} if version not in readme
]
for feature in ["", *(name for name in crate["features"] if name != "default")]:
    stated = later.get(feature, crate["rust_version"])
    packages = built_by(feature) - {(crate["name"], "v" + crate["version"])}
    silent = [package for package in packages if not declared.get(package)]
    needed, by = max((number(declared[p]), p) for p in packages if declared.get(p))
    print(f"{feature or 'no feature':12} states {stated}, needs {needed[0]}.{needed[1]} ({by[0]}); "
          f"{len(packages)} packages, {len(silent)} of them declare nothing")  # fmt: skip
    if needed > number(stated):
        wrong.append(f"{feature or 'no feature'}: states Rust {stated}, but {' '.join(by)} declares {declared[by]}")
    if feature in later and needed < number(stated):
        wrong.append(f"{feature}: states Rust {stated}, but nothing in it needs more than {needed[0]}.{needed[1]}")
for feature in later.keys() - crate["features"].keys():
    wrong.append(f"{feature}: in rust-versions of Cargo.toml, but not a feature")
print("\n".join(wrong), end="\n" if wrong else "")
sys.exit(bool(wrong))
