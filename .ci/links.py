#!/usr/bin/env python3
"""Every link in the Markdown pages leads somewhere.

A file that is linked to exists, and so does the heading; a page on docs.rs is one that rustdoc has just made (run
`.ci/checks docs` before), or a file that the package holds. README.md is also read where nothing lies beside it, on
crates.io: it holds no relative link.
"""

import re
import subprocess
import sys
from pathlib import Path

RUSTDOC = "https://docs.rs/postback/latest/"
SOURCE = "https://docs.rs/crate/postback/latest/source/"
LINK = re.compile(r"!?\[(?:[^\[\]]|\[[^\]]*\])*\]\(<?([^)\s>]+)>?\)|^\[[^\]]+\]:\s*(\S+)", re.MULTILINE)

made = Path(sys.argv[1])
listed = subprocess.run(
    ["cargo", "package", "--list", "--allow-dirty", "--locked"], check=True, stdout=subprocess.PIPE, text=True
)
packed = set(listed.stdout.split())
tracked = subprocess.run(
    ["git", "ls-files", "-co", "--exclude-standard", "*.md"], check=True, stdout=subprocess.PIPE, text=True
)


def without_code(text):
    """Neither blocks nor words in code hold links."""
    text = re.sub(r"^```.*?^```", "", text, flags=re.MULTILINE | re.DOTALL)
    return re.sub(r"`[^`\n]*`", lambda code: "x" * len(code.group()), text)


def anchors(page):
    """The names of a page's headings, as GitHub and its like make them."""
    text = re.sub(r"^```.*?^```", "", page.read_text(), flags=re.MULTILINE | re.DOTALL)
    names = set()
    for heading in re.findall(r"^#+ +(.*?) *#*$", text, flags=re.MULTILINE):
        heading = re.sub(r"\[([^\]]*)\]\([^)]*\)", r"\1", heading).replace("`", "")
        name = re.sub(r"[^\w\- ]", "", heading.lower()).replace(" ", "-")
        number = 0
        while (candidate := f"{name}-{number}" if number else name) in names:
            number += 1
        names.add(candidate)
    return names


def fault(page, target):
    """What is wrong with a link, if anything is."""
    path, _, anchor = target.partition("#")
    if target.startswith(RUSTDOC):
        file = made / path.removeprefix(RUSTDOC)
        file = file / "index.html" if path.endswith("/") else file
        if not file.is_file():
            return "rustdoc makes no such page"
        if anchor and f'id="{anchor}"' not in file.read_text():
            return "that page of rustdoc has no such part"
    elif target.startswith(SOURCE):
        if path.removeprefix(SOURCE) not in packed:
            return "the package holds no such file"
    elif re.match(r"[a-z]+:", target):
        return None
    elif page.name == "README.md" and page.parent == Path("."):
        return "README.md is read on crates.io, too, where nothing lies beside it: link to docs.rs"
    else:
        file = page.parent / path if path else page
        if not file.exists():
            return "there is no such file"
        if anchor and anchor not in anchors(file):
            return "that page has no such heading"
    return None


count = 0
wrong = []
for page in map(Path, tracked.stdout.split()):
    for link in LINK.finditer(without_code(page.read_text())):
        target = link.group(1) or link.group(2)
        count += 1
        if found := fault(page, target):
            wrong.append(f"{page}: {target}: {found}")
print(f"{count} links")
print("\n".join(wrong), end="\n" if wrong else "")
sys.exit(bool(wrong))
