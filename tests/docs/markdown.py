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
INLINE = re.compile(r"`(python -m airr\.\w+\s[^`]+)`")
CRON = re.compile(r"^(?:\S+ +){5}cd \S+ && \.venv/bin/(.+)$", re.MULTILINE)
PLACEHOLDER = re.compile(r"\.\.\.|\b[A-Z]{4,}\b|<")


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


def commands_of(page: Path) -> Iterator[str]:
    """Yield the commands of a page: those of its shell blocks, of crontabs, and within its text.

    Commands within a text that hold a placeholder, such as `campaign=NAME`, are left out, and so
    are verbs that are only named.
    """
    for block in blocks_of(page):
        if block.language == SHELL:
            yield from _lines_of(block)
        elif block.language == "cron":
            yield from CRON.findall(block.text)
    for command in INLINE.findall(prose_of(page)):
        if not PLACEHOLDER.search(command):
            yield from " ".join(command.split()).split(" && ")


def _lines_of(block: Block) -> list[str]:
    """Return the lines of a shell block without their comments; a continued one as one."""
    lines = block.text.replace("\\\n", " ").splitlines()
    told = (" ".join(line.partition(" # ")[0].split()) for line in lines)
    return [line for line in told if line and not line.startswith("#")]


def prose_of(page: Path) -> str:
    """Return a page's text without its blocks."""
    return FENCE.sub("", page.read_text())
