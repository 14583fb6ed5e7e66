"""README.md and docs/*.md in parts: blocks of code, the files that they show, the commands."""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
PAGES = (ROOT / "README.md", ROOT / "CONTRIBUTING.md", *sorted((ROOT / "docs").glob("*.md")))
FENCE = re.compile(r"^( *)```(\w*)\n(.*?)^\1```$", re.MULTILINE | re.DOTALL)
NAMED = re.compile(r"`([\w./-]+)`:\n\n$")
"""How a file's path stands before the block that shows its content."""
SHELL = "sh"


@dataclass(frozen=True)
class Block:
    """A fenced block; `path` names the file that it shows, where the text before it does."""

    page: Path
    line: int
    language: str
    text: str
    path: str | None


def blocks_of(page: Path) -> Iterator[Block]:
    """Yield the fenced blocks of a page in their order."""
    text = page.read_text()
    for found in FENCE.finditer(text):
        before = text[: found.start()]
        named = NAMED.search(before)
        yield Block(
            page=page,
            line=before.count("\n") + 1,
            language=found[2],
            text=found[3],
            path=named[1] if named else None,
        )


def commands_in(block: Block) -> list[str]:
    """Return the commands of a shell block; one that is continued stands on one line."""
    lines = block.text.replace("\\\n", " ").splitlines()
    return [" ".join(line.split()) for line in lines if line.strip() and not line.startswith("#")]


def prose_of(page: Path) -> str:
    """Return a page's text without its blocks."""
    return FENCE.sub("", page.read_text())
