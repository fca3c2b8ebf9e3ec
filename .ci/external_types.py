#!/usr/bin/env python3
"""Holds the types of other crates in our public API against .ci/external-types.txt.

Such a type ties our major version to that crate's, so each is a decision. Reads rustdoc's JSON, which only a nightly
or RUSTC_BOOTSTRAP=1 writes: the path of that file is the argument.
"""

import json
import sys
from pathlib import Path

OWN = 0
FREE = {"alloc", "core", "std"}


def referred(part):
    """The ids of all types and traits that a part of an item names."""
    if isinstance(part, dict):
        if {"path", "id", "args"} <= part.keys():
            yield str(part["id"])
        part = part.values()
    if not isinstance(part, str) and hasattr(part, "__iter__"):
        for inner in part:
            yield from referred(inner)


def is_written(item):
    """Whether somebody wrote the item, and others can see it: not what the compiler derives for every type."""
    block = item["inner"].get("impl", {})
    return (
        item["crate_id"] == OWN
        and item["visibility"] in ("public", "default")
        and not block.get("is_synthetic")
        and not block.get("blanket_impl")
    )


document = json.loads(Path(sys.argv[1]).read_text())
found = {}
for item in filter(is_written, document["index"].values()):
    for name in referred(item["inner"]):
        path = document["paths"].get(name)
        if path and path["crate_id"] != OWN and path["path"][0] not in FREE:
            span = item["span"] or {"filename": "?", "begin": "?"}
            found.setdefault("::".join(path["path"]), f"{span['filename']}:{span['begin'][0]}")
lines = Path(".ci/external-types.txt").read_text().splitlines()
allowed = {line.strip() for line in lines if line.strip() and not line.startswith("#")}
wrong = [f"{place}: {name} is part of the public API and not in the list" for name, place in found.items() if name not in allowed]
wrong += [f"{name}: in the list, but not in the public API" for name in allowed - found.keys()]
print("\n".join(sorted(wrong)) or f"{len(found)} types of other crates in the public API, all of them listed")
sys.exit(bool(wrong))
