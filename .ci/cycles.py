#!/usr/bin/env python3
"""Rejects cycles between the modules and between the files of each crate, as seen in their `use` and `crate::` paths.

A file that names its own parent module is not a cycle: that is how a module's parts share what the module defines.
"""

import re
import subprocess
import sys
from pathlib import Path

IGNORED = ("/tests/", "/fuzz/", "/benches/")


def sources():
    files = subprocess.check_output(["git", "ls-files", "*.rs"], text=True).split()
    for file in files:
        path = "/" + file
        if "/src/" in path and not any(part in path for part in IGNORED):
            yield file


def split(file):
    root, _, inside = ("/" + file).partition("/src/")
    parts = inside.removesuffix(".rs").split("/")
    if parts[-1] in ("mod", "lib", "main"):
        parts.pop()
    return root, tuple(parts)


def expand(prefix, body, paths):
    """Collects the paths of a `use` declaration with nested braces."""
    depth, current, parts = 0, "", []
    for char in body:
        depth += (char == "{") - (char == "}")
        if char == "," and depth == 0:
            parts.append(current)
            current = ""
        else:
            current += char
    for part in (p.strip() for p in [*parts, current]):
        if "{" in part:
            expand(prefix + part[: part.index("{")].strip(), part[part.index("{") + 1 : part.rindex("}")], paths)
        elif part:
            paths.add(prefix + part)


def dependencies(module, text, modules):
    text = re.split(r"#\[cfg\(test\)\]\s*mod ", text)[0]
    text = re.sub(r"^\s*//.*$", "", text, flags=re.M)
    paths = set(re.findall(r"\bcrate::[a-z_0-9:]+", text))
    for use in re.findall(r"\buse\s+((?:crate|super|self)::[^;]+);", text):
        expand("", re.sub(r"\s+", " ", use), paths)
    for path in paths:
        segments = [s for s in re.sub(r" as .*", "", path).split("::") if s]
        base = []
        if segments[0] == "crate":
            segments = segments[1:]
        else:
            base = list(module)
            while segments and segments[0] in ("super", "self"):
                if segments.pop(0) == "super":
                    base = base[:-1]
        full = tuple(base + segments)
        named = next((full[:n] for n in range(len(full), 0, -1) if full[:n] in modules), None)
        if named and named != module and named != module[: len(named)]:
            yield named


def cycles(graph):
    """Strongly connected components of more than one node."""
    index, low, stack, found = {}, {}, [], []

    def visit(node):
        index[node] = low[node] = len(index)
        stack.append(node)
        for target in graph.get(node, ()):
            if target not in index:
                visit(target)
                low[node] = min(low[node], low[target])
            elif target in stack:
                low[node] = min(low[node], index[target])
        if low[node] == index[node]:
            component = []
            while not component or component[-1] != node:
                component.append(stack.pop())
            if len(component) > 1:
                found.append(sorted("::".join(n) if isinstance(n, tuple) else n for n in component))

    sys.setrecursionlimit(10_000)
    for node in list(graph):
        if node not in index:
            visit(node)
    return found


def main():
    crates = {}
    for file in sources():
        root, module = split(file)
        crates.setdefault(root, {})[module] = file
    bad = 0
    for root, modules in crates.items():
        files, tops = {}, {}
        for module, file in modules.items():
            if not module:
                continue
            for target in dependencies(module, Path(file).read_text(), modules):
                files.setdefault(module, set()).add(target)
                if module[0] != target[0]:
                    tops.setdefault(module[0], set()).add(target[0])
        for kind, graph in (("modules", tops), ("files", files)):
            for cycle in cycles(graph):
                print(f"cycle between {kind} of {root or '/'}: {', '.join(cycle)}")
                bad += 1
    if bad:
        sys.exit(1)
    print(f"no cycles in {sum(map(len, crates.values()))} files")


if __name__ == "__main__":
    main()
