#!/usr/bin/env python3
"""The part of deny.toml that needs no tool: licences, banned crates, duplicate versions, sources.

`cargo deny` does more (advisories, yanked versions) but takes minutes to compile, so a machine that lacks it runs this.
"""

import json
import re
import subprocess
import sys
import tomllib
from collections import defaultdict

CRATES_IO = "registry+https://github.com/rust-lang/crates.io-index"


def output(*command):
    return subprocess.run(command, check=True, stdout=subprocess.PIPE, text=True).stdout


def packages(targets):
    """What builds for these targets take in, without what only tests need."""
    tree = ["cargo", "tree", "--locked", "--all-features", "--edges=normal,build", "--prefix=none", "--format={p}"]
    lines = [line for target in targets for line in output(*tree, f"--target={target}").splitlines()]
    built = {tuple(line.split()[:2]) for line in lines if line.strip()}
    known = json.loads(output("cargo", "metadata", "--locked", "--format-version=1", "--all-features"))["packages"]
    return [package for package in known if (package["name"], "v" + package["version"]) in built]


def is_allowed(licence, allowed):
    """Whether an SPDX expression can be satisfied with the licences in `allowed`."""
    words = re.findall(r"\(|\)|[^\s()/]+|/", licence)
    place = 0

    def term():
        nonlocal place
        word = words[place]
        place += 1
        if word == "(":
            value = either()
            place += 1
            return value
        if words[place : place + 1] == ["WITH"]:
            word = f"{word} WITH {words[place + 1]}"
            place += 2
        return word in allowed

    def both():
        nonlocal place
        value = term()
        while words[place : place + 1] == ["AND"]:
            place += 1
            value = term() and value
        return value

    def either():
        nonlocal place
        value = both()
        while words[place : place + 1] in (["OR"], ["/"]):
            place += 1
            value = both() or value
        return value

    return either()


def matches(package, rule):
    """Whether a rule's `crate = "name@1.2"` means this package."""
    name, _, version = rule["crate"].partition("@")
    return package["name"] == name and (package["version"] + ".").startswith(version + "." if version else "")


def faults(rules, found):
    allowed = set(rules["licenses"]["allow"])
    for package in found:
        title = f"{package['name']} {package['version']}"
        if not package["license"] or not is_allowed(package["license"], allowed):
            yield f"{title}: licence {package['license'] or 'not stated'}"
        if package["source"] not in (None, CRATES_IO):
            yield f"{title}: comes from {package['source']}"
        for rule in rules["bans"]["deny"]:
            if matches(package, rule):
                yield f"{title}: banned: {rule['reason']}"
    versions = defaultdict(set)
    for package in found:
        if not any(matches(package, rule) for rule in rules["bans"]["skip"]):
            versions[package["name"]].add(package["version"])
    for name, several in sorted(versions.items()):
        if len(several) > 1:
            yield f"{name}: in {len(several)} versions, {' and '.join(sorted(several))}"


def main():
    with open("deny.toml", "rb") as file:
        rules = tomllib.load(file)
    found = packages(rules["graph"]["targets"])
    wrong = sorted(faults(rules, found))
    unused = [rule["crate"] for rule in rules["bans"]["skip"] if not any(matches(p, rule) for p in found)]
    wrong += [f"{crate}: an exception in deny.toml that nothing needs" for crate in unused]
    print("\n".join(wrong) or f"{len(found)} packages: licences, bans, versions and sources are as deny.toml says")
    sys.exit(bool(wrong))


main()
